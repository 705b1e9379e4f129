//! Who decides. Every engine passes the one contract suite in `tests/engine_contract`.

use async_trait::async_trait;

use super::BoxError;
use crate::domain::{
    AdmissionRequest, AmendmentError, Coupon, CouponId, Grant, MemberId, Reconfiguration, Standing, Verdict,
};

/// The most members one call of [`AdmissionEngine::admit`] may carry.
pub const MAX_BATCH: usize = 256;

/// The engine's word on a batch, taken in one atomic step.
#[derive(Debug, Clone)]
pub struct BatchAnswer {
    /// One verdict a request, in the order of the requests.
    pub verdicts: Vec<Verdict>,
    /// How the coupon stands after the step.
    pub standing: Standing,
}

/// Why an engine gave no verdict.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It does not know the coupon.
    #[error("the engine does not know this coupon")]
    UnknownCoupon,
    /// It will not decide until it has been verified: it restarted, failed over or was wiped.
    #[error("the engine is fenced: {0}")]
    Fenced(String),
    /// It could not be asked, or did not answer in time. **The outcome is unknown**: the step may have run.
    #[error("the engine did not answer: {0}")]
    Unavailable(#[source] BoxError),
    /// Others were before it for as long as it may wait. **Nothing was decided.**
    #[error("the engine did not get its turn: {0}")]
    Busy(#[source] BoxError),
    /// It answered something that cannot be: a defect, or foreign data.
    #[error("the engine answered nonsense: {0}")]
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

/// Some of those who hold a coupon, and what each of them holds.
#[derive(Debug, Clone, Default)]
pub struct HoldersPage {
    /// Members and what they hold; one may come more than once.
    pub holders: Vec<(MemberId, Grant)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<u64>,
}

/// Some of the coupons that an engine decides on.
#[derive(Debug, Clone, Default)]
pub struct CouponsPage {
    /// Coupons; one may come more than once.
    pub coupons: Vec<CouponId>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<u64>,
}

/// Decides who gets a coupon.
///
/// # What must hold, whatever dies
/// - A verdict [`Verdict::Issued`] or [`Verdict::Again`] is given only for what is durable: after a crash at any moment
///   the member still holds that sequence.
/// - One step is atomic: it happened for the whole batch or not at all, stock, member and (where there is one) outbox
///   entry together.
/// - It is idempotent: asking again for a member who holds a coupon gives the same sequence and time, in any state of
///   the coupon, and changes nothing.
/// - Sequences are dense from 1, and never exceed the total.
/// - Steps on one coupon follow one another: whoever is answered before another asks has the smaller sequence.
/// - Members of one batch are served in the order of the batch.
#[async_trait]
pub trait AdmissionEngine: Send + Sync {
    /// The engine's name in settings and metrics.
    fn name(&self) -> &'static str;

    /// Makes a coupon known. Idempotent: a coupon that is known already keeps everything as it is.
    async fn load(&self, coupon: &Coupon) -> Result<(), EngineError>;

    /// Decides for at most [`MAX_BATCH`] members in one atomic step.
    async fn admit(&self, coupon: &CouponId, batch: &[AdmissionRequest]) -> Result<BatchAnswer, EngineError>;

    /// What `member` holds; changes nothing.
    async fn find(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError>;

    /// How a coupon stands by the engine's own clock; changes nothing.
    async fn standing(&self, coupon: &CouponId) -> Result<Standing, EngineError>;

    /// Those who hold one and what they hold, a page at a time in any order, beginning at `cursor` (first 0). Whoever
    /// held one before the first page was asked for is on one of them.
    async fn holders(&self, coupon: &CouponId, cursor: u64) -> Result<HoldersPage, EngineError>;

    /// The coupons it decides on, paged as [`AdmissionEngine::holders`]; none where it reads them from the catalogue itself,
    /// and so has none that the catalogue lacks.
    async fn coupons(&self, _cursor: u64) -> Result<CouponsPage, EngineError> {
        Ok(CouponsPage::default())
    }

    /// Applies an operator's change in one atomic step and bumps [`AdmissionEngine::revision`]. Refused, changing
    /// nothing: a total below what is issued, another window once issuing has started, anything on a closed coupon
    /// (closing it again is fine).
    async fn reconfigure(
        &self,
        coupon: &CouponId,
        change: Reconfiguration,
    ) -> Result<Result<Standing, AmendmentError>, EngineError>;

    /// A number that grows whenever a coupon is loaded or reconfigured through any node, so that nodes notice by one
    /// cheap question.
    async fn revision(&self) -> Result<u64, EngineError>;

    /// Bumps [`AdmissionEngine::revision`], so that every node looks at what has changed elsewhere.
    async fn announce(&self) -> Result<(), EngineError>;
}
