//! PostgreSQL: the catalogue and the issuances of a full stack, the tables of the cluster, and two engines.

mod catalog;
mod classify;
mod cluster;
mod database;
mod engine;
mod errors;
mod lost_numbers;
mod quarantine;
mod rights;
mod rows;
mod schema;
mod store;

pub use catalog::PostgresCatalog;
pub use cluster::PostgresCluster;
pub use database::{Database, DatabaseSettings};
pub use engine::{Locking, PostgresEngine};
pub use errors::DatabaseError;
pub use lost_numbers::PostgresLostNumbers;
pub use rights::{RightsError, check_rights, check_rights_to_read};
pub use schema::{SchemaError, check, migrate};
pub use store::PostgresStore;
