-- Whether what has left the queue is in the database: a row, or still in the hands of somebody's persisters.

-- At that moment the node's persisters had nothing in hand for longer than a second, and had given nothing back lately; in
-- microseconds since 1970. Absent if they had.
ALTER TABLE nodes ADD COLUMN hands_free bigint;
