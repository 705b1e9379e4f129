//! Lost numbers: sequences that were issued to holders that no living node, row or outbox knows. A recovery waits,
//! since the files that Redis lost may be put back, until an operator permits to write the numbers off.

use std::sync::Arc;

use uuid::Uuid;

use super::{Recoveries, RecoveryError, bounded};
use crate::actors::issuing::CouponHandle;
use crate::domain::{Grant, IssuanceStatus, IssuedCoupon, MemberId, Sequence, Timestamp, counted};
use crate::ports::{Loss, OpenRecovery};

const PAGE: u32 = 1_000;

impl Recoveries {
    /// Writes the lost numbers above `watermark`, up to `last`, off. Fails if there are any without a permission.
    pub(super) async fn write_off_lost(
        &self,
        handle: &Arc<CouponHandle>,
        open: &OpenRecovery,
        watermark: Sequence,
        last: Sequence,
    ) -> Result<(), RecoveryError> {
        let lost = &self.deps.lost;
        let Some(loss) = bounded(lost.record(open, watermark, last)).await? else { return Ok(()) };
        if !loss.permitted {
            return Err(RecoveryError::Lost(loss));
        }
        let mut after = watermark;
        loop {
            let page = bounded(lost.missing(handle.id(), after, last, PAGE)).await?;
            let Some((highest, _)) = page.last() else { break };
            after = *highest;
            let rows: Vec<IssuedCoupon> =
                page.iter().filter_map(|(sequence, at)| written_off_row(handle, *sequence, *at)).collect();
            let written = bounded(lost.write_off(&rows)).await?;
            self.deps.metrics.written_off.inc_by(written.into());
        }
        let (count, first) = (loss.count, loss.first);
        tracing::error!(coupon = %handle.id(), count, first, issued = last, "lost numbers are written off: no member will get them");
        Ok(())
    }
}

/// The row of a written-off number. Its member id is random, so that no member can claim it.
fn written_off_row(handle: &CouponHandle, sequence: Sequence, issued_at: Timestamp) -> Option<IssuedCoupon> {
    let member = MemberId::parse(&format!("written-off-{}", Uuid::new_v4().simple())).ok()?;
    let issuance = handle.issuance(&member, Grant { sequence, issued_at });
    Some(IssuedCoupon { status: IssuanceStatus::Expired, ..issuance })
}

/// A loss as a sentence that names the remedies.
pub(super) struct LossDisplay<'a>(pub(super) &'a Loss);

impl std::fmt::Display for LossDisplay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Loss { coupon, count, first, last, .. } = self.0;
        let known = counted((*last).into(), "issuance is known", "issuances are known");
        let (are, its, them) =
            if *count == 1 { ("is", "its holder", "it") } else { ("are", "their holders", "them") };
        write!(
            f,
            "{known}, but {count} of them, from sequence {first} on, {are} not in the database, and no living node \
             knows {its}: put Redis's files back, or write {them} off with \
             `openrun lost-numbers write-off {coupon} --count {count} --note TEXT`"
        )
    }
}
