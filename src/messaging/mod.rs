//! What carries issuances to the database: one folder a technology.

pub mod rabbitmq;
