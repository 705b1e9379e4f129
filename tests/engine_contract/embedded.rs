//! The contract against the embedded engine.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use openrun::domain::Coupon;
use openrun::persistence::sqlite::{EmbeddedEngine, SqliteCatalog, SqliteDatabase};
use openrun::ports::{AdmissionEngine, CouponCatalog};
use tempfile::TempDir;

use crate::suite::{Fixture, engine_contract};

engine_contract!(contract, crate::embedded::fixture);

pub(crate) async fn fixture() -> impl Fixture {
    let directory = tempfile::tempdir().expect("a temporary directory");
    Embedded { database: open(directory.path()).await, directory }
}

async fn open(directory: &Path) -> SqliteDatabase {
    SqliteDatabase::open(directory).await.expect("an open database")
}

struct Embedded {
    // Fields are dropped in this order: the database must be closed before its files vanish.
    database: SqliteDatabase,
    directory: TempDir,
}

#[async_trait]
impl Fixture for Embedded {
    fn engine(&self) -> Arc<dyn AdmissionEngine> {
        Arc::new(EmbeddedEngine::new(self.database.clone()))
    }

    async fn introduce(&self, coupon: &Coupon) {
        SqliteCatalog::new(self.database.clone()).create(coupon).await.expect("a new coupon is created");
        self.engine().load(coupon).await.expect("a created coupon is loaded");
    }

    /// Opens a copy of the files, which is the state that a crash leaves.
    async fn reopen(&mut self) {
        let after = tempfile::tempdir().expect("a temporary directory");
        for name in ["openrun.sqlite", "openrun.sqlite-wal"] {
            std::fs::copy(self.directory.path().join(name), after.path().join(name)).expect("a copy");
        }
        self.database = open(after.path()).await;
        self.directory = after;
    }
}
