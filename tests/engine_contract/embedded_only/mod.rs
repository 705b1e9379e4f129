//! Promises of the embedded engine alone: its file, its schema, and the catalogue and store in the same database.

mod catalog;
mod opening;
mod schema;
mod store;
mod throughput;

use std::path::Path;
use std::sync::Arc;

use openrun::persistence::sqlite::{EmbeddedEngine, SqliteDatabase};
use openrun::ports::AdmissionEngine;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

/// An open database in a new directory.
async fn database() -> (SqliteDatabase, TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    (SqliteDatabase::open(directory.path()).await.expect("an open database"), directory)
}

fn engine(database: &SqliteDatabase) -> Arc<dyn AdmissionEngine> {
    Arc::new(EmbeddedEngine::new(database.clone()))
}

/// A connection to the file outside openrun, with foreign keys on.
async fn foreign_connection(directory: &Path) -> SqliteConnection {
    let url = format!("sqlite://{}", directory.join("openrun.sqlite").display());
    SqliteConnection::connect(&url).await.expect("a connection")
}
