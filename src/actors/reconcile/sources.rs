//! The sources of a comparison: engine, outbox and database, read page by page, each question within a bound.

use std::sync::Arc;
use std::time::Duration;

use super::report::{DriftKind, Finding};
use crate::actors::runtime::deadline::{TimedOut, bounded_by};
use crate::domain::{CouponId, Grant, IssuedCoupon, MemberId, Sequence};
use crate::ports::{
    AdmissionEngine, CatalogError, CouponCatalog, EngineError, IssuanceStore, LossError, LostNumbers, Outbox,
    OutboxEntry, Quarantine, QuarantineError, StoreError,
};

/// An answer may be a page of thousands of rows.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const ROWS_PAGE: u32 = 5_000;
const ENTRIES_PAGE: usize = 4_096;

#[derive(Clone)]
pub struct ReconcileDeps {
    pub engine: Arc<dyn AdmissionEngine>,
    pub catalog: Arc<dyn CouponCatalog>,
    pub store: Arc<dyn IssuanceStore>,
    pub quarantine: Arc<dyn Quarantine>,
    /// Absent on an engine that writes rows itself.
    pub outbox: Option<Arc<dyn Outbox>>,
    /// Absent on an engine that cannot lose numbers.
    pub lost: Option<Arc<dyn LostNumbers>>,
}

/// The cause of a run without a result.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error("there is no coupon of the id {0}")]
    NoSuchCoupon(CouponId),
    #[error("another run is under way")]
    Busy,
    #[error("{0}")]
    Unavailable(String),
}

/// The cause of a comparison's early end.
pub(super) enum CompareError {
    /// It is a finding by itself.
    Found(Finding),
    Unavailable(String),
}

impl From<CompareError> for ReconcileError {
    fn from(error: CompareError) -> Self {
        match error {
            CompareError::Found(finding) => Self::Unavailable(finding.detail),
            CompareError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<EngineError> for CompareError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::UnknownCoupon | EngineError::Fenced(_) => {
                let detail = format!("{error}; if that lasts, see `openrun lost-numbers list`");
                Self::Found(Finding::new(DriftKind::NotCompared, detail))
            }
            EngineError::Corrupt(_) => Self::Found(Finding::new(DriftKind::Counts, error.to_string())),
            EngineError::Unavailable(_) | EngineError::Busy(_) => Self::Unavailable(error.to_string()),
        }
    }
}

macro_rules! unavailable {
    ($($error:ty),*) => {$(
        impl From<$error> for CompareError {
            fn from(error: $error) -> Self {
                Self::Unavailable(error.to_string())
            }
        }
    )*};
}

unavailable!(CatalogError, LossError, QuarantineError, StoreError);

/// Waits for the answer to `question`, within the bound of this module.
pub(super) async fn bounded<T, E: From<TimedOut>>(
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    bounded_by(ANSWER_TIMEOUT, question).await
}

impl ReconcileDeps {
    /// Passes every holder to `visit`, some perhaps more than once.
    pub(super) async fn holders(
        &self,
        coupon: &CouponId,
        mut visit: impl FnMut(MemberId, Grant),
    ) -> Result<(), CompareError> {
        let mut cursor = 0;
        loop {
            let page = bounded(self.engine.holders(coupon, cursor)).await?;
            page.holders.into_iter().for_each(|(member, grant)| visit(member, grant));
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(()),
            }
        }
    }

    pub(super) async fn rows(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<IssuedCoupon>, CompareError> {
        Ok(bounded(self.store.list(coupon, after, limit)).await?)
    }

    /// Passes every entry of the outbox from `first` to `last` to `visit`.
    pub(super) async fn entries(
        &self,
        coupon: &CouponId,
        first: Sequence,
        last: Sequence,
        mut visit: impl FnMut(OutboxEntry),
    ) -> Result<(), CompareError> {
        let Some(outbox) = &self.outbox else { return Ok(()) };
        let mut after = first.saturating_sub(1);
        loop {
            let page = bounded(outbox.pending(coupon, after, ENTRIES_PAGE)).await?;
            let Some(end) = page.last().map(|entry| entry.grant.sequence) else { return Ok(()) };
            page.into_iter().filter(|entry| entry.grant.sequence <= last).for_each(&mut visit);
            if end >= last {
                return Ok(());
            }
            after = end;
        }
    }

    pub(super) async fn written_off(&self, coupon: &CouponId) -> Result<u64, CompareError> {
        match &self.lost {
            Some(lost) => Ok(bounded(lost.count_written_off(coupon)).await?.into()),
            None => Ok(0),
        }
    }

    pub(super) async fn outbox_depth(&self, coupon: &CouponId) -> Result<u64, CompareError> {
        match &self.outbox {
            Some(outbox) => Ok(bounded(outbox.depth(coupon)).await?),
            None => Ok(0),
        }
    }
}
