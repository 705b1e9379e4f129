//! Transports of issuances to the database, one folder for each technology.

pub mod rabbitmq;
