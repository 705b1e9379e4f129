//! The engines that decide in PostgreSQL. What is decided is a row at once, so there is no outbox.
//!
//! A coupon's counter (`coupon_admissions`) says how it stands and orders the steps of all nodes. Two ways of taking one's
//! turn are implemented, and differ in nothing else: to hold the row's lock (`pessimistic.rs`), or to write only if nobody
//! else has in the meantime (`optimistic.rs`). Both change the row's version, so that nodes of both kinds may serve one
//! coupon.

mod change;
mod counter;
mod optimistic;
mod pessimistic;
mod questions;

use async_trait::async_trait;

use super::database::Database;
use super::errors::{Fault, cause, fault, refusal};
use crate::domain::{
    AdmissionRequest, AmendmentError, Coupon, CouponId, Grant, MemberId, Reconfiguration, Standing,
};
use crate::ports::{AdmissionEngine, BatchAnswer, EngineError, HoldersPage, MAX_BATCH};
use crate::telemetry::DatabaseCall;

const ADMIT: DatabaseCall = DatabaseCall::several("postgresql", "admit transaction");
const FIND: DatabaseCall =
    DatabaseCall::on_table("postgresql", "SELECT coupon_issuances", "SELECT", "coupon_issuances");

/// How a step takes its turn among those of all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// It locks the coupon's counter first: others wait in the database.
    Pessimistic,
    /// It reads without a lock and writes only if the counter is as it was read: who was slower tries again.
    Optimistic,
}

/// Decides in the database that keeps coupons and issuances.
#[derive(Debug, Clone)]
pub struct PostgresEngine {
    database: Database,
    turns: Locking,
}

impl PostgresEngine {
    /// The engine on this database, whose settings should be [`DatabaseSettings::deciding`](super::DatabaseSettings::deciding).
    #[must_use]
    pub fn new(database: Database, turns: Locking) -> Self {
        Self { database, turns }
    }
}

#[async_trait]
impl AdmissionEngine for PostgresEngine {
    fn name(&self) -> &'static str {
        match self.turns {
            Locking::Pessimistic => "postgres-pessimistic",
            Locking::Optimistic => "postgres-optimistic",
        }
    }

    async fn load(&self, coupon: &Coupon) -> Result<(), EngineError> {
        change::load(&self.database, coupon).await
    }

    async fn admit(&self, coupon: &CouponId, batch: &[AdmissionRequest]) -> Result<BatchAnswer, EngineError> {
        if batch.len() > MAX_BATCH {
            return Err(EngineError::Corrupt("a batch has more members than it may".to_owned()));
        }
        let decided = async {
            match self.turns {
                Locking::Pessimistic => pessimistic::admit(&self.database, coupon, batch).await,
                Locking::Optimistic => optimistic::admit(&self.database, coupon, batch).await,
            }
        };
        ADMIT.run(batch.len(), decided, EngineError::kind).await
    }

    async fn find(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError> {
        FIND.run(1, questions::find(&self.database, coupon, member), EngineError::kind).await
    }

    async fn standing(&self, coupon: &CouponId) -> Result<Standing, EngineError> {
        questions::standing(&self.database, coupon).await
    }

    async fn holders(&self, coupon: &CouponId, cursor: u64) -> Result<HoldersPage, EngineError> {
        questions::holders(&self.database, coupon, cursor).await
    }

    async fn reconfigure(
        &self,
        coupon: &CouponId,
        change: Reconfiguration,
    ) -> Result<Result<Standing, AmendmentError>, EngineError> {
        change::reconfigure(&self.database, coupon, change).await
    }

    async fn revision(&self) -> Result<u64, EngineError> {
        questions::revision(&self.database).await
    }

    async fn announce(&self) -> Result<(), EngineError> {
        change::announce(&self.database).await
    }
}

// Codes of SQLSTATE after which the whole step is undone and may be tried again (PostgreSQL, appendix A).
const LOCK_NOT_AVAILABLE: &str = "55P03";
const DEADLOCK_DETECTED: &str = "40P01";
const SERIALIZATION_FAILURE: &str = "40001";

/// What an error of a step means. A rule of the schema that stops the engine is a defect of the engine, or of its data;
/// only a ceiling that is too low may be about to rise.
fn failed(error: sqlx::Error) -> EngineError {
    if matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }) {
        return EngineError::Corrupt(error.to_string());
    }
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    let undone = [LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, SERIALIZATION_FAILURE].contains(&&*code);
    match fault(&error) {
        Fault::Total => EngineError::Busy(refusal(&error).into()),
        Fault::Values => EngineError::Corrupt(refusal(&error)),
        Fault::Database if undone => EngineError::Busy(cause(error)),
        Fault::Database => EngineError::Unavailable(cause(error)),
    }
}
