//! The engines that decide in PostgreSQL. A decision is a row of the issuances at once, so there is no outbox.
//!
//! A coupon's counter (`coupon_admissions`) holds its standing and orders the steps of all nodes. The two engines
//! differ only in their locking: `pessimistic.rs` holds the row's lock, `optimistic.rs` writes only if the row is
//! unchanged since it was read. Both change the row's version, so nodes of both kinds may serve one coupon.

mod change;
mod counter;
mod optimistic;
mod pessimistic;
mod queries;

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

/// The order of concurrent steps on one coupon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// A step locks the coupon's counter first; other steps wait in the database.
    Pessimistic,
    /// A step reads without a lock and writes only if the counter is unchanged; otherwise it tries again.
    Optimistic,
}

/// Decides in the database that keeps coupons and issuances.
#[derive(Debug, Clone)]
pub struct PostgresEngine {
    database: Database,
    locking: Locking,
}

impl PostgresEngine {
    /// `database` should have the settings of [`DatabaseSettings::deciding`](super::DatabaseSettings::deciding).
    #[must_use]
    pub fn new(database: Database, locking: Locking) -> Self {
        Self { database, locking }
    }
}

#[async_trait]
impl AdmissionEngine for PostgresEngine {
    fn name(&self) -> &'static str {
        match self.locking {
            Locking::Pessimistic => "postgres-pessimistic",
            Locking::Optimistic => "postgres-optimistic",
        }
    }

    async fn load(&self, coupon: &Coupon) -> Result<(), EngineError> {
        change::load(&self.database, coupon).await
    }

    async fn admit(&self, coupon: &CouponId, batch: &[AdmissionRequest]) -> Result<BatchAnswer, EngineError> {
        if batch.len() > MAX_BATCH {
            return Err(EngineError::Corrupt("the batch has too many members".to_owned()));
        }
        let answer = async {
            match self.locking {
                Locking::Pessimistic => pessimistic::admit(&self.database, coupon, batch).await,
                Locking::Optimistic => optimistic::admit(&self.database, coupon, batch).await,
            }
        };
        ADMIT.run(batch.len(), answer, EngineError::kind).await
    }

    async fn find(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError> {
        FIND.run(1, queries::find(&self.database, coupon, member), EngineError::kind).await
    }

    async fn standing(&self, coupon: &CouponId) -> Result<Standing, EngineError> {
        queries::standing(&self.database, coupon).await
    }

    async fn holders(&self, coupon: &CouponId, cursor: u64) -> Result<HoldersPage, EngineError> {
        queries::holders(&self.database, coupon, cursor).await
    }

    async fn reconfigure(
        &self,
        coupon: &CouponId,
        change: Reconfiguration,
    ) -> Result<Result<Standing, AmendmentError>, EngineError> {
        change::reconfigure(&self.database, coupon, change).await
    }

    async fn revision(&self) -> Result<u64, EngineError> {
        queries::revision(&self.database).await
    }

    async fn announce(&self) -> Result<(), EngineError> {
        change::announce(&self.database).await
    }
}

// Codes of SQLSTATE after which the whole step is rolled back and may be repeated (PostgreSQL, appendix A).
const LOCK_NOT_AVAILABLE: &str = "55P03";
const DEADLOCK_DETECTED: &str = "40P01";
const SERIALIZATION_FAILURE: &str = "40001";

/// Converts an error of a step. A constraint that stops the engine shows a defect of the engine or of its data, except
/// the constraint on the total: an operator may be about to raise it.
fn failed(error: sqlx::Error) -> EngineError {
    if matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }) {
        return EngineError::Corrupt(error.to_string());
    }
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    let rolled_back = [LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, SERIALIZATION_FAILURE].contains(&&*code);
    match fault(&error) {
        Fault::Total => EngineError::Busy(refusal(&error).into()),
        Fault::Values => EngineError::Corrupt(refusal(&error)),
        Fault::Database if rolled_back => EngineError::Busy(cause(error)),
        Fault::Database => EngineError::Unavailable(cause(error)),
    }
}
