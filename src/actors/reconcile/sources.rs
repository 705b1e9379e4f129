//! Asking engine, outbox and database, each question within a bound, and page by page.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::report::{DriftKind, Finding};
use crate::domain::{CouponId, Grant, IssuedCoupon, MemberId, Sequence};
use crate::ports::{
    AdmissionEngine, CatalogError, CouponCatalog, EngineError, IssuanceStore, LossError, LostNumbers, Outbox,
    OutboxEntry, Quarantine, QuarantineError, StoreError,
};

/// How long one question may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Rows read at a time.
pub(super) const ROWS_PAGE: u32 = 5_000;
/// Entries of the outbox read at a time.
const ENTRIES_PAGE: usize = 4_096;

/// What is compared with one another.
#[derive(Clone)]
pub struct ReconcileDeps {
    /// Who decides.
    pub engine: Arc<dyn AdmissionEngine>,
    /// Where coupons are kept.
    pub catalog: Arc<dyn CouponCatalog>,
    /// Where issuances end up.
    pub store: Arc<dyn IssuanceStore>,
    /// What was kept apart because it contradicts a row.
    pub quarantine: Arc<dyn Quarantine>,
    /// What is on its way; absent where nothing has to travel.
    pub outbox: Option<Arc<dyn Outbox>>,
    /// The account of numbers that nobody holds; absent where none can be lost.
    pub lost: Option<Arc<dyn LostNumbers>>,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// There is no such coupon.
    #[error("there is no coupon of the id {0}")]
    NoSuchCoupon(CouponId),
    /// Another run is under way on this node.
    #[error("another run is under way")]
    Busy,
    /// Somebody did not answer.
    #[error("{0}")]
    Unavailable(String),
}

/// Why a comparison ends before its end.
pub(super) enum Stop {
    /// What was met is a finding by itself.
    Found(Finding),
    /// Somebody did not answer.
    Failed(ReconcileError),
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::UnknownCoupon | EngineError::Fenced(_) => {
                let detail = format!("{error}; if that lasts, see `openrun lost-numbers list`");
                Self::Found(Finding::new(DriftKind::NotCompared, detail))
            }
            EngineError::Corrupt(_) => Self::Found(Finding::new(DriftKind::Counts, error.to_string())),
            EngineError::Unavailable(_) | EngineError::Busy(_) => {
                Self::Failed(ReconcileError::Unavailable(error.to_string()))
            }
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(ReconcileError::Unavailable(error.to_string()))
    }
}

impl From<QuarantineError> for Stop {
    fn from(error: QuarantineError) -> Self {
        Self::Failed(ReconcileError::Unavailable(error.to_string()))
    }
}

impl From<LossError> for Stop {
    fn from(error: LossError) -> Self {
        Self::Failed(ReconcileError::Unavailable(error.to_string()))
    }
}

impl From<CatalogError> for Stop {
    fn from(error: CatalogError) -> Self {
        Self::Failed(ReconcileError::Unavailable(error.to_string()))
    }
}

/// Waits for an answer, but not for ever.
pub(super) async fn within<T, E: Into<Stop>>(
    who: &str,
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, Stop> {
    match timeout(QUESTION_TIMEOUT, question).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_elapsed) => {
            let why = format!("{who} did not answer in {} s", QUESTION_TIMEOUT.as_secs());
            Err(Stop::Failed(ReconcileError::Unavailable(why)))
        }
    }
}

impl ReconcileDeps {
    /// Shows every holder to `see`; some may come more than once.
    pub(super) async fn holders(
        &self,
        coupon: &CouponId,
        mut see: impl FnMut(MemberId, Grant),
    ) -> Result<(), Stop> {
        let mut cursor = 0;
        loop {
            let page = within("the engine", self.engine.holders(coupon, cursor)).await?;
            page.holders.into_iter().for_each(|(member, grant)| see(member, grant));
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(()),
            }
        }
    }

    /// A page of rows after `after`.
    pub(super) async fn rows(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<IssuedCoupon>, Stop> {
        within("the database", self.store.list(coupon, after, limit)).await
    }

    /// Shows every entry of the outbox from `first` to `last` to `see`.
    pub(super) async fn entries(
        &self,
        coupon: &CouponId,
        first: Sequence,
        last: Sequence,
        mut see: impl FnMut(OutboxEntry),
    ) -> Result<(), Stop> {
        let Some(outbox) = &self.outbox else { return Ok(()) };
        let mut after = first.saturating_sub(1);
        loop {
            let page = within("the outbox", outbox.pending(coupon, after, ENTRIES_PAGE)).await?;
            let Some(end) = page.last().map(|entry| entry.grant.sequence) else { return Ok(()) };
            page.into_iter().filter(|entry| entry.grant.sequence <= last).for_each(&mut see);
            if end >= last {
                return Ok(());
            }
            after = end;
        }
    }

    /// How many numbers were written off, which nobody holds.
    pub(super) async fn written_off(&self, coupon: &CouponId) -> Result<u64, Stop> {
        match &self.lost {
            Some(lost) => within("the database", lost.count_written_off(coupon)).await.map(u64::from),
            None => Ok(0),
        }
    }

    /// How many entries the outbox has.
    pub(super) async fn depth(&self, coupon: &CouponId) -> Result<u64, Stop> {
        match &self.outbox {
            Some(outbox) => within("the outbox", outbox.depth(coupon)).await,
            None => Ok(0),
        }
    }
}
