-- Numbers that were issued and of which nobody knows any more who holds them: Redis lost its files and the node that had
-- decided them died in the same moments.

-- What an open recovery waits for; one row a coupon at most. The permission is an operator's, for this round only.
CREATE TABLE lost_numbers (
    coupon_id text COLLATE "C" PRIMARY KEY REFERENCES coupons (id),
    round integer NOT NULL,
    count integer NOT NULL CHECK (count > 0),
    first integer NOT NULL,
    last integer NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    -- As many may be written off, and no more.
    permitted integer NOT NULL DEFAULT 0,
    note text NOT NULL DEFAULT ''
);

-- Which rows of coupon_issuances stand for a number that was written off. They keep it from being given to anybody else.
CREATE TABLE issuance_write_offs (
    coupon_id text COLLATE "C" NOT NULL,
    sequence integer NOT NULL,
    note text NOT NULL,
    written_off_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (coupon_id, sequence),
    FOREIGN KEY (coupon_id, sequence) REFERENCES coupon_issuances (coupon_id, sequence)
);
