-- How far the rows of each coupon are known to be complete, so that no node counts them from 1. It is progress, not truth:
-- it lags behind the rows, and a node may delete it at any time. Older nodes do not read it.

CREATE TABLE coupon_watermarks (
    coupon_id text COLLATE "C" PRIMARY KEY REFERENCES coupons (id),
    -- Every sequence from 1 to this one has a row.
    sequence integer NOT NULL CHECK (sequence > 0)
);
