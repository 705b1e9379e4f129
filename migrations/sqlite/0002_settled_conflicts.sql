-- What operators have settled of the quarantine. A contradiction is never deleted: that it came, and what was done about
-- it, can be read years later, and the very same is no news when it comes again.

ALTER TABLE issuance_quarantine ADD COLUMN settled_at_ms INTEGER;
ALTER TABLE issuance_quarantine ADD COLUMN settled_note TEXT
    CHECK ((settled_note IS NULL) = (settled_at_ms IS NULL));
