//! PostgreSQL: the catalogue and the issuances of a full stack.
