//! The engine that decides on issue requests. Every engine passes the contract suite in `tests/engine_contract`.

use async_trait::async_trait;

use super::BoxError;
use crate::domain::{
    AdmissionRequest, AmendmentError, Coupon, CouponId, Grant, MemberId, Reconfiguration, Standing, Verdict,
};

/// Upper limit of the batch of [`AdmissionEngine::admit`].
pub const MAX_BATCH: usize = 256;

/// Result of one atomic step on a batch.
#[derive(Debug, Clone)]
pub struct BatchAnswer {
    /// One verdict for each request, in the order of the requests.
    pub verdicts: Vec<Verdict>,
    /// Standing of the coupon after the step.
    pub standing: Standing,
}

/// Reason for which an engine gave no verdict.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The coupon has not been loaded into the engine.
    #[error("the engine does not know this coupon")]
    UnknownCoupon,
    /// The engine restarted, failed over or was wiped, and does not decide until it has been verified.
    #[error("the engine is fenced: {0}")]
    Fenced(String),
    /// The engine was unreachable or too slow. **The outcome is unknown**: the step may have run.
    #[error("the engine did not answer: {0}")]
    Unavailable(#[source] BoxError),
    /// Other batches kept the lock for longer than this one may wait. **Nothing was decided.**
    #[error("the engine is busy, nothing was decided: {0}")]
    Busy(#[source] BoxError),
    /// The engine's answer is impossible: a defect, or foreign data.
    #[error("the engine's answer is invalid: {0}")]
    Corrupt(String),
}

impl EngineError {
    /// The word for failures of this kind, in traces.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UnknownCoupon => "unknown_coupon",
            Self::Fenced(_) => "fenced",
            Self::Unavailable(_) => "unavailable",
            Self::Busy(_) => "busy",
            Self::Corrupt(_) => "corrupt",
        }
    }
}

/// One page of the holders of a coupon.
#[derive(Debug, Clone, Default)]
pub struct HoldersPage {
    /// Members and their grants; a member may appear more than once.
    pub holders: Vec<(MemberId, Grant)>,
    /// Cursor of the next page; `None` after the last.
    pub next: Option<u64>,
}

/// One page of the coupons that an engine decides on.
#[derive(Debug, Clone, Default)]
pub struct CouponsPage {
    /// A coupon may appear more than once.
    pub coupons: Vec<CouponId>,
    /// Cursor of the next page; `None` after the last.
    pub next: Option<u64>,
}

/// Decides which members get a coupon.
///
/// # Guarantees, also after a crash of any process
/// - The verdicts [`Verdict::Issued`] and [`Verdict::Again`] are durable: after a crash at any moment the member still
///   holds that sequence.
/// - A step is atomic: stock, members and (if the engine has one) outbox entries change for the whole batch or not at
///   all.
/// - A step is idempotent: for a holder it returns the same sequence and time, in any state of the coupon, and changes
///   nothing.
/// - Sequences are dense from 1 and never exceed the total.
/// - Steps on one coupon are serial: a request that is answered before another one is sent has the smaller sequence.
/// - Members of one batch are served in the order of the batch.
#[async_trait]
pub trait AdmissionEngine: Send + Sync {
    /// Name of the engine in settings and metrics.
    fn name(&self) -> &'static str;

    /// Loads a coupon into the engine. Idempotent: a loaded coupon stays as it is.
    async fn load(&self, coupon: &Coupon) -> Result<(), EngineError>;

    /// Decides for at most [`MAX_BATCH`] members in one atomic step.
    async fn admit(&self, coupon: &CouponId, batch: &[AdmissionRequest]) -> Result<BatchAnswer, EngineError>;

    /// Grant of `member`, if it is a holder. Changes nothing.
    async fn find(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError>;

    /// Standing of the coupon by the engine's own clock. Changes nothing.
    async fn standing(&self, coupon: &CouponId) -> Result<Standing, EngineError>;

    /// Holders in pages, in any order, from `cursor` (first 0). Every member who was a holder when the first page was
    /// requested is on one of the pages.
    async fn holders(&self, coupon: &CouponId, cursor: u64) -> Result<HoldersPage, EngineError>;

    /// Coupons in the engine, paged like [`AdmissionEngine::holders`]. Empty for an engine that reads coupons from the
    /// catalogue, because it cannot have one that the catalogue lacks.
    async fn coupons(&self, _cursor: u64) -> Result<CouponsPage, EngineError> {
        Ok(CouponsPage::default())
    }

    /// Applies an operator's change in one atomic step and increments [`AdmissionEngine::revision`]. Refuses, without a
    /// change: a total below the issued count, another sale period after the first issuance, and any change of a closed
    /// coupon (closing it again succeeds).
    async fn reconfigure(
        &self,
        coupon: &CouponId,
        change: Reconfiguration,
    ) -> Result<Result<Standing, AmendmentError>, EngineError>;

    /// A number that grows with every load or reconfiguration by any node: a cheap way to notice changes.
    async fn revision(&self) -> Result<u64, EngineError>;

    /// Increments [`AdmissionEngine::revision`], so that every node reads the coupons again.
    async fn announce(&self) -> Result<(), EngineError>;
}
