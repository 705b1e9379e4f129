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
    // Before the directory: fields go in this order, and the files should not vanish under an open database.
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

    /// A crash leaves the files as they are at that moment, so that is what is copied and opened.
    async fn reopen(&mut self) {
        let after = tempfile::tempdir().expect("a temporary directory");
        for name in ["openrun.sqlite", "openrun.sqlite-wal"] {
            std::fs::copy(self.directory.path().join(name), after.path().join(name)).expect("a copy");
        }
        self.database = open(after.path()).await;
        self.directory = after;
    }
}
