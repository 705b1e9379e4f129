//! What a recovery does about numbers that were issued and that nobody who lives can say the holder of: it waits, for the
//! files that Redis lost may be put back, until an operator permits to write them off.

use std::sync::Arc;

use uuid::Uuid;

use super::{Recoveries, RecoveryError, within};
use crate::actors::issuing::CouponHandle;
use crate::domain::{Grant, IssuanceStatus, IssuedCoupon, MemberId, Sequence, Timestamp, counted};
use crate::ports::{Loss, OpenRecovery};

/// Rows written at a time.
const PAGE: u32 = 1_000;

impl Recoveries {
    /// Goes on if nothing above `watermark`, up to `last`, is lost, or if it may be written off; then it is.
    pub(super) async fn account_for_lost(
        &self,
        handle: &Arc<CouponHandle>,
        open: &OpenRecovery,
        watermark: Sequence,
        last: Sequence,
    ) -> Result<(), RecoveryError> {
        let noted = self.parts.lost.record(open, watermark, last);
        let Some(loss) = within("the database", noted).await? else { return Ok(()) };
        if !loss.permitted {
            return Err(RecoveryError::Lost(loss));
        }
        let mut after = watermark;
        loop {
            let page = self.parts.lost.missing(handle.id(), after, last, PAGE);
            let page = within("the database", page).await?;
            let Some((highest, _)) = page.last() else { break };
            after = *highest;
            let rows: Vec<IssuedCoupon> =
                page.iter().filter_map(|(sequence, at)| nobodys(handle, *sequence, *at)).collect();
            let written = within("the database", self.parts.lost.write_off(&rows)).await?;
            self.parts.metrics.written_off.inc_by(written.into());
        }
        let (count, first) = (loss.count, loss.first);
        tracing::error!(coupon = %handle.id(), count, first, issued = last, "lost numbers are written off: nobody gets them any more");
        Ok(())
    }
}

/// The row of a number that is out of use: its member is nobody's name, and cannot be guessed.
fn nobodys(handle: &CouponHandle, sequence: Sequence, issued_at: Timestamp) -> Option<IssuedCoupon> {
    let member = MemberId::parse(&format!("written-off-{}", Uuid::new_v4().simple())).ok()?;
    let issuance = handle.issuance(&member, Grant { sequence, issued_at });
    Some(IssuedCoupon { status: IssuanceStatus::Expired, ..issuance })
}

impl std::fmt::Display for LossDisplay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Loss { coupon, count, first, last, .. } = self.0;
        let known = counted((*last).into(), "issuance is known", "issuances are known");
        let (are, them) = if *count == 1 { ("is", "it") } else { ("are", "them") };
        write!(
            f,
            "{known}, but {count} of them, from sequence {first} on, {are} not in the database, and nobody who lives \
             knows who holds {them}: put Redis's files back, or write {them} off with \
             `openrun lost-numbers write-off {coupon} --count {count} --note TEXT`"
        )
    }
}

/// A loss in words that say what to do.
pub(super) struct LossDisplay<'a>(pub(super) &'a Loss);
