-- Coupons and who holds them, with every promise that a database can keep by itself.

CREATE TABLE coupons (
    id             TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    name           TEXT    NOT NULL CHECK (name <> ''),
    description    TEXT    NOT NULL,
    discount       TEXT    NOT NULL,
    total          INTEGER NOT NULL CHECK (total BETWEEN 1 AND 100000000),
    -- How many are issued, which is also the largest sequence: counting rows would be slow at every batch.
    issued         INTEGER NOT NULL CHECK (issued BETWEEN 0 AND total),
    opens_at_ms    INTEGER NOT NULL CHECK (opens_at_ms >= 0),
    closes_at_ms   INTEGER CHECK (closes_at_ms > opens_at_ms),
    -- Not compared with opens_at_ms here: moving an event changes the two in separate steps.
    valid_until_ms INTEGER CHECK (valid_until_ms >= 0),
    lifecycle      TEXT    NOT NULL CHECK (lifecycle IN ('active', 'paused', 'closed')),
    -- Secret: whoever has it can compute the codes.
    salt           BLOB    NOT NULL CHECK (length(salt) = 32),
    created_at_ms  INTEGER NOT NULL CHECK (created_at_ms >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE coupon_issuances (
    coupon_id    TEXT    NOT NULL REFERENCES coupons (id),
    sequence     INTEGER NOT NULL CHECK (sequence >= 1),
    member_id    TEXT    NOT NULL CHECK (length(member_id) BETWEEN 1 AND 128),
    code         TEXT    NOT NULL UNIQUE CHECK (length(code) = 23),
    status       TEXT    NOT NULL CHECK (status IN ('UNUSED', 'USED', 'EXPIRED')),
    issued_at_ms INTEGER NOT NULL CHECK (issued_at_ms >= 0),
    PRIMARY KEY (coupon_id, sequence),
    UNIQUE (coupon_id, member_id)
) STRICT, WITHOUT ROWID;

-- Issuances that arrived and contradict one that is held: kept for a person to look at.
CREATE TABLE issuance_quarantine (
    id             INTEGER PRIMARY KEY,
    coupon_id      TEXT    NOT NULL,
    sequence       INTEGER NOT NULL,
    member_id      TEXT    NOT NULL,
    code           TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    issued_at_ms   INTEGER NOT NULL,
    held           TEXT    NOT NULL,
    arrived_at_ms  INTEGER NOT NULL,
    -- The same contradiction may arrive any number of times.
    UNIQUE (coupon_id, sequence, member_id, code, status, issued_at_ms)
) STRICT;

-- One row: it grows whenever something that decides has changed, so that one cheap question tells.
CREATE TABLE engine_revision (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO engine_revision (only_row, revision) VALUES (1, 0);

-- The ceiling, kept even if the code above it were wrong. (A missing coupon is the foreign key's business.)
CREATE TRIGGER issuance_above_total BEFORE INSERT ON coupon_issuances
WHEN NEW.sequence > (SELECT total FROM coupons WHERE id = NEW.coupon_id)
BEGIN
    SELECT RAISE(ABORT, 'the sequence is above the total of the coupon');
END;

-- What a member was told stays true: only what has become of the coupon may change.
CREATE TRIGGER issuance_is_final BEFORE UPDATE OF coupon_id, sequence, member_id, code, issued_at_ms ON coupon_issuances
BEGIN
    SELECT RAISE(ABORT, 'an issuance never changes');
END;

CREATE TRIGGER coupon_total_below_issued BEFORE UPDATE OF total, issued ON coupons
WHEN NEW.total < (SELECT max(sequence) FROM coupon_issuances WHERE coupon_id = OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'the total cannot be below what is issued');
END;

CREATE TRIGGER coupon_issued_shrinks BEFORE UPDATE OF issued ON coupons WHEN NEW.issued < OLD.issued
BEGIN
    SELECT RAISE(ABORT, 'what is issued cannot be taken back');
END;

-- Two operators at once must not reopen what one of them has closed.
CREATE TRIGGER coupon_reopened BEFORE UPDATE OF lifecycle ON coupons
WHEN OLD.lifecycle = 'closed' AND NEW.lifecycle <> 'closed'
BEGIN
    SELECT RAISE(ABORT, 'a closed coupon stays closed');
END;

-- Members who already hold one were promised these terms, also if the first was issued a moment ago.
CREATE TRIGGER coupon_terms_frozen
BEFORE UPDATE OF name, description, discount, opens_at_ms, closes_at_ms, valid_until_ms ON coupons
WHEN OLD.issued > 0 AND (
    NEW.name <> OLD.name OR NEW.description <> OLD.description OR NEW.discount <> OLD.discount
    OR NEW.opens_at_ms <> OLD.opens_at_ms
    OR NEW.closes_at_ms IS NOT OLD.closes_at_ms OR NEW.valid_until_ms IS NOT OLD.valid_until_ms)
BEGIN
    SELECT RAISE(ABORT, 'issuing has started: terms, window and validity stay as they are');
END;
