-- What the engines that decide in this database decide by. The catalogue's total in `coupons` is the ceiling; the total
-- here is what may be issued now. They are apart so that a raise can be told to every node before the first of the new
-- coupons is issued.

-- One narrow row a coupon, which every step changes. It has no index but its key, and room for its next versions beside
-- it, so that a change touches one page.
CREATE TABLE coupon_admissions (
    coupon_id text COLLATE "C" PRIMARY KEY REFERENCES coupons (id),
    total integer NOT NULL CHECK (total BETWEEN 1 AND 100000000),
    -- How many are issued, which is also the largest sequence.
    issued integer NOT NULL DEFAULT 0 CHECK (issued BETWEEN 0 AND total),
    opens_at timestamptz NOT NULL,
    closes_at timestamptz CHECK (closes_at > opens_at),
    lifecycle text NOT NULL CHECK (lifecycle IN ('active', 'paused', 'closed')),
    -- Grows with every change, so that whoever read the row without a lock notices that somebody was faster.
    version bigint NOT NULL DEFAULT 0,
    -- When the last one was issued: a later sequence has no earlier time, even if the computer's clock is set back.
    latest_at timestamptz NOT NULL DEFAULT 'epoch'
) WITH (fillfactor = 20);

-- Grows with every change of an operator, in the transaction of that change: whoever sees the number sees the change.
CREATE TABLE engine_revision (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    revision bigint NOT NULL
);

INSERT INTO engine_revision (revision) VALUES (0);
