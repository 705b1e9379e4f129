//! Registers the requests that wait for an ack level, and releases them when an issuance has reached it.

mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

use self::waiting::{Ticket, Waiting};
use crate::domain::{AckLevel, CouponId, IssuedCoupon, MemberId, Sequence};
use crate::sync::Locked;

/// Shared by publisher, persisters and poller, which report levels, and by the requests that wait. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct AckBoard {
    state: Arc<Locked<State>>,
    /// Requests with the engine that are going to wait for a level if they are granted.
    expected: Arc<AtomicUsize>,
}

/// Counts one request that is going to wait, until it is dropped.
#[derive(Debug)]
pub(crate) struct Expected(Arc<AtomicUsize>);

impl Drop for Expected {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Debug, Default)]
struct State {
    waiting: Waiting,
    /// Whether a poller runs.
    polled: bool,
}

/// The registration of one waiting request, removed when dropped.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    board: &'a AckBoard,
    ticket: Ticket,
    /// Resolves when the issuance has reached the level.
    pub(crate) reached: oneshot::Receiver<()>,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.board.state.lock().waiting.leave(&self.ticket);
    }
}

impl AckBoard {
    /// Releases the requests that wait for these issuances to reach `level` or a lower one, and returns their number.
    /// `Persisted` is reported for committed rows only.
    pub(crate) fn release<'a>(
        &self,
        coupon: &CouponId,
        level: AckLevel,
        issuances: impl IntoIterator<Item = (Sequence, &'a MemberId)>,
    ) -> usize {
        let mut state = self.state.lock();
        if state.waiting.is_empty() {
            return 0;
        }
        let released = issuances
            .into_iter()
            .map(|(sequence, member)| state.waiting.release(coupon, sequence, member, level));
        released.sum()
    }

    /// Registers a request that waits until `issuance` has reached `level`. Only reports from now on release it.
    pub(crate) fn wait(&self, issuance: &IssuedCoupon, level: AckLevel) -> Wait<'_> {
        let (ticket, reached) = self.state.lock().waiting.enter(issuance, level);
        Wait { board: self, ticket, reached }
    }

    /// Whether a request waits for a level, or is going to.
    pub(crate) fn is_waited_on(&self) -> bool {
        self.expected.load(Ordering::Acquire) > 0
    }

    /// Announces a request that is going to wait, for as long as the returned value lives.
    pub(crate) fn expect(&self) -> Expected {
        self.expected.fetch_add(1, Ordering::AcqRel);
        Expected(Arc::clone(&self.expected))
    }

    /// Whether the caller must start the poller: requests wait and none runs. Counts it as running from now on.
    pub(crate) fn claim_poller(&self) -> bool {
        let mut state = self.state.lock();
        !state.waiting.is_empty() && !std::mem::replace(&mut state.polled, true)
    }

    /// Whether the poller must end: no request waits. Counts it as ended from now on.
    pub(crate) fn retire_poller(&self) -> bool {
        let mut state = self.state.lock();
        let is_over = state.waiting.is_empty();
        if is_over {
            state.polled = false;
        }
        is_over
    }

    /// The coupons with waiting requests.
    pub(crate) fn coupons(&self) -> Vec<CouponId> {
        self.state.lock().waiting.coupons()
    }

    /// The awaited sequences above `after`, in order, at most `limit`.
    pub(crate) fn page(&self, coupon: &CouponId, after: Sequence, limit: usize) -> Vec<Sequence> {
        self.state.lock().waiting.page(coupon, after, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::{AckBoard, AckLevel, IssuedCoupon};

    fn issuance() -> IssuedCoupon {
        IssuedCoupon::sample("drop", "kim", 1)
    }

    #[test]
    fn one_poller_runs_while_requests_wait() {
        let board = AckBoard::default();
        assert!(!board.claim_poller(), "no request waits");
        let first = board.wait(&issuance(), AckLevel::Persisted);
        assert!(board.claim_poller());
        let second = board.wait(&issuance(), AckLevel::Queued);
        assert!(!board.claim_poller(), "one runs already");
        drop(first);
        assert!(!board.retire_poller());
        drop(second);
        // The poller has not noticed the gap, so it goes on for the next request.
        let third = board.wait(&issuance(), AckLevel::Persisted);
        assert!(!board.claim_poller());
        drop(third);
        assert!(board.retire_poller());
        let _fourth = board.wait(&issuance(), AckLevel::Persisted);
        assert!(board.claim_poller(), "the last poller has ended");
    }

    #[test]
    fn a_level_releases_the_requests_that_wait_for_it_or_a_lower_one() {
        let (board, kim) = (AckBoard::default(), issuance());
        let mut waits: Vec<_> = [AckLevel::Persisted, AckLevel::Queued, AckLevel::Persisted]
            .map(|level| board.wait(&kim, level))
            .into();
        let rows = [(1, &kim.member_id)];
        assert_eq!(board.release(&kim.coupon_id, AckLevel::Queued, rows), 1);
        assert_eq!(board.page(&kim.coupon_id, 0, 9), [1], "two requests still wait");
        assert_eq!(board.release(&kim.coupon_id, AckLevel::Persisted, rows), 2);
        assert!(waits.iter_mut().all(|wait| wait.reached.try_recv().is_ok()));
        assert_eq!((board.coupons(), board.retire_poller()), (vec![], true));
    }
}
