-- The server that decides each coupon, so that two servers never decide the same one. Rows of older lives stay as a record.

CREATE TABLE coupon_lives (
    coupon_id text COLLATE "C" NOT NULL REFERENCES coupons (id),
    -- 0 for the first load; otherwise the round of the recovery that ended with this life. The highest one is current.
    round integer NOT NULL,
    epoch bigint NOT NULL,
    -- The run id of the Redis process.
    server text NOT NULL,
    -- load, verify or rebuild.
    how text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (coupon_id, round)
);

-- The server that the node which began the recovery is connected to: a node on that server leads.
ALTER TABLE coupon_recoveries ADD COLUMN server text;

-- The Redis process that the node is connected to, and the store in which its engine decides. NULL for older nodes.
ALTER TABLE nodes ADD COLUMN server text;
ALTER TABLE nodes ADD COLUMN engine text;
