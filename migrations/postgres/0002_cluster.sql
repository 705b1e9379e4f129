-- Where the nodes of one deployment meet: who lives, who has the right to do what only one may do, and the recoveries of
-- coupons whose engine may have lost something. All times are this database's clock.

CREATE TABLE nodes (
    id text PRIMARY KEY,
    seen_at timestamptz NOT NULL,
    -- It knows what was in the catalogue then, in microseconds since 1970.
    aware bigint
);

CREATE TABLE leases (
    what text PRIMARY KEY,
    node text NOT NULL,
    ends_at timestamptz NOT NULL
);

-- One row a coupon that was ever doubted. The epoch is the engine's life after the last recovery: an older one that comes
-- back is known by it, even when no node remembers.
CREATE TABLE coupon_recoveries (
    coupon_id text COLLATE "C" PRIMARY KEY REFERENCES coupons (id),
    round integer NOT NULL,
    is_open boolean NOT NULL,
    epoch bigint NOT NULL DEFAULT 0
);

-- What each node knew in the round that is open.
CREATE TABLE coupon_testimonies (
    coupon_id text COLLATE "C" NOT NULL REFERENCES coupons (id),
    round integer NOT NULL,
    node text NOT NULL,
    epoch bigint NOT NULL,
    issued integer NOT NULL,
    PRIMARY KEY (coupon_id, round, node)
);
