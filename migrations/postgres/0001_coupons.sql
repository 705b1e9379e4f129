-- Coupons, their issuances, and the rules that hold whatever the service does: never above the total, one coupon a
-- member, one row a sequence, one row a code.

-- Ids and codes are compared byte by byte, as the service does; a locale would sort them otherwise.
CREATE TABLE coupons (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_-]{1,64}$'),
    name text NOT NULL,
    description text NOT NULL,
    discount text NOT NULL,
    total integer NOT NULL CHECK (total BETWEEN 1 AND 100000000),
    opens_at timestamptz NOT NULL,
    closes_at timestamptz CHECK (closes_at > opens_at),
    valid_until timestamptz CHECK (valid_until > opens_at),
    lifecycle text NOT NULL CHECK (lifecycle IN ('active', 'paused', 'closed')),
    salt bytea NOT NULL CHECK (octet_length(salt) = 32),
    created_at timestamptz NOT NULL
);

CREATE TABLE coupon_issuances (
    coupon_id text COLLATE "C" NOT NULL REFERENCES coupons (id),
    sequence integer NOT NULL CHECK (sequence >= 1),
    member_id text COLLATE "C" NOT NULL CHECK (char_length(member_id) BETWEEN 1 AND 128),
    code text COLLATE "C" NOT NULL CHECK (code ~ '^[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){3}$'),
    status text NOT NULL CHECK (status IN ('UNUSED', 'USED', 'EXPIRED')),
    issued_at timestamptz NOT NULL,
    PRIMARY KEY (coupon_id, sequence),
    CONSTRAINT coupon_issuances_one_a_member UNIQUE (coupon_id, member_id),
    CONSTRAINT coupon_issuances_one_a_code UNIQUE (code)
);

-- Quarantine: issuances that arrived and contradict one that is held. Its key keeps a redelivery from adding a row.
CREATE TABLE issuance_conflicts (
    coupon_id text COLLATE "C" NOT NULL,
    sequence integer NOT NULL,
    member_id text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    issued_at timestamptz NOT NULL,
    held text NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (coupon_id, sequence, member_id, code, issued_at)
);

-- The ceiling, checked once a statement and not once a row. It reads the total without locking the coupon, so that
-- persisters never wait for one another; lowering a total locks them out instead (below).
CREATE FUNCTION refuse_issuances_above_total() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    over record;
BEGIN
    SELECT arrived.coupon_id, arrived.highest, coupons.total INTO over
    FROM (SELECT coupon_id, max(sequence) AS highest FROM arrived_issuances GROUP BY coupon_id) AS arrived
    JOIN coupons ON coupons.id = arrived.coupon_id
    WHERE arrived.highest > coupons.total
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'sequence % of coupon % is above its total of %', over.highest, over.coupon_id, over.total
            USING ERRCODE = 'check_violation', CONSTRAINT = 'coupon_issuances_within_total';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER coupon_issuances_within_total
    AFTER INSERT ON coupon_issuances
    REFERENCING NEW TABLE AS arrived_issuances
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_issuances_above_total();

-- Lowering a total waits for the inserts under way and keeps new ones out until it is committed; otherwise one of them
-- could pass by the old total while its row is not seen here. It happens once in a coupon's life, if ever.
CREATE FUNCTION refuse_total_below_issued() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    highest integer;
BEGIN
    LOCK TABLE coupon_issuances IN SHARE MODE;
    SELECT max(sequence) INTO highest FROM coupon_issuances WHERE coupon_id = OLD.id;
    IF highest > NEW.total THEN
        RAISE EXCEPTION 'the total of coupon % cannot be %: sequence % is issued', OLD.id, NEW.total, highest
            USING ERRCODE = 'check_violation', CONSTRAINT = 'coupons_total_not_below_issued';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER coupons_total_not_below_issued
    BEFORE UPDATE OF total ON coupons
    FOR EACH ROW WHEN (NEW.total < OLD.total) EXECUTE FUNCTION refuse_total_below_issued();

-- Who holds what never changes; only what has become of it does. It also keeps a sequence from being moved above the
-- total, which the trigger on inserting would not see.
CREATE FUNCTION refuse_another_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an issuance keeps its coupon, sequence, member, code and time'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'coupon_issuances_identity';
END
$$;

CREATE TRIGGER coupon_issuances_identity
    BEFORE UPDATE ON coupon_issuances
    FOR EACH ROW
    WHEN ((OLD.coupon_id, OLD.sequence, OLD.member_id, OLD.code, OLD.issued_at)
        IS DISTINCT FROM (NEW.coupon_id, NEW.sequence, NEW.member_id, NEW.code, NEW.issued_at))
    EXECUTE FUNCTION refuse_another_identity();
