//! SQLite: the embedded engine, which needs no other service.

mod catalog;
mod clock;
mod database;
mod engine;
mod failure;
mod open;
mod quarantine;
mod reading;
mod revision;
mod rows;
mod store;

pub use catalog::SqliteCatalog;
pub use database::SqliteDatabase;
pub use engine::EmbeddedEngine;
pub use open::OpenError;
pub use store::SqliteIssuanceStore;
