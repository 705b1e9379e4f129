//! The board on which publisher, persisters and poller write how far issuances have got, and by which waiters are reached.

mod waiting;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::actors::delivery::ack_board::waiting::{Ticket, Waiting};
use crate::domain::{AckLevel, CouponId, IssuedCoupon, MemberId, Sequence};

/// Shared by all who know something and all who wait; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct AckBoard {
    state: Arc<Mutex<State>>,
    /// How many ask for something that they are going to wait for.
    expected: Arc<AtomicUsize>,
}

/// Somebody who asks, and is going to wait.
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
    /// Whether somebody asks the database on behalf of all.
    polled: bool,
}

/// One who waits. Dropping it is leaving, however that comes about.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    board: &'a AckBoard,
    ticket: Ticket,
    /// Resolves when the level is reached.
    pub(crate) reached: oneshot::Receiver<()>,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.board.lock().waiting.leave(&self.ticket);
    }
}

impl AckBoard {
    /// Notes that these issuances of `coupon` to these members have got as far as `level`, and tells all who wait for
    /// that; how many they were. `Persisted` is for rows that are committed, and nothing less.
    pub(crate) fn reached<'a>(
        &self,
        coupon: &CouponId,
        level: AckLevel,
        issuances: impl IntoIterator<Item = (Sequence, &'a MemberId)>,
    ) -> usize {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            return 0;
        }
        let reached = issuances
            .into_iter()
            .map(|(sequence, member)| state.waiting.reached(coupon, sequence, member, level));
        reached.sum()
    }

    /// Waits until `issuance` has reached `level`, beginning with what is written on the board from now on.
    pub(crate) fn wait(&self, issuance: &IssuedCoupon, level: AckLevel) -> Wait<'_> {
        let (ticket, reached) = self.lock().waiting.enter(issuance, level);
        Wait { board: self, ticket, reached }
    }

    /// Whether somebody waits, or will if what they ask for is issued.
    pub(crate) fn is_waited_on(&self) -> bool {
        self.expected.load(Ordering::Acquire) > 0
    }

    /// Says that somebody is going to wait, as long as what is returned is kept.
    pub(crate) fn expect(&self) -> Expected {
        self.expected.fetch_add(1, Ordering::AcqRel);
        Expected(Arc::clone(&self.expected))
    }

    /// Whether the caller is the one who must ask the database from now on, until [`AckBoard::release_poller`].
    pub(crate) fn claim_poller(&self) -> bool {
        let mut state = self.lock();
        !state.waiting.is_empty() && !std::mem::replace(&mut state.polled, true)
    }

    /// Whether nobody waits any more. If so, whoever asked the database no longer does.
    pub(crate) fn release_poller(&self) -> bool {
        let mut state = self.lock();
        let over = state.waiting.is_empty();
        if over {
            state.polled = false;
        }
        over
    }

    /// The coupons for which somebody waits.
    pub(crate) fn coupons(&self) -> Vec<CouponId> {
        self.lock().waiting.coupons()
    }

    /// The sequences above `after` for which somebody waits, in order, at most `limit`.
    pub(crate) fn page(&self, coupon: &CouponId, after: Sequence, limit: usize) -> Vec<Sequence> {
        self.lock().waiting.page(coupon, after, limit)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{AckBoard, AckLevel, IssuedCoupon};
    use crate::domain::{CodeSalt, CouponId, IssuanceStatus, MemberId, Timestamp};

    fn issuance() -> IssuedCoupon {
        let (coupon_id, member_id) = (CouponId::parse("drop").unwrap(), MemberId::parse("kim").unwrap());
        let code = CodeSalt::from_bytes([0; 32]).code(&coupon_id, &member_id);
        let (status, issued_at) = (IssuanceStatus::Unused, Timestamp::from_ms(1));
        IssuedCoupon { coupon_id, member_id, sequence: 1, code, status, issued_at }
    }

    #[test]
    fn there_is_one_poller_while_somebody_waits() {
        let board = AckBoard::default();
        assert!(!board.claim_poller(), "nobody waits");
        let first = board.wait(&issuance(), AckLevel::Persisted);
        assert!(board.claim_poller());
        let second = board.wait(&issuance(), AckLevel::Queued);
        assert!(!board.claim_poller(), "there is one");
        drop(first);
        assert!(!board.release_poller());
        drop(second);
        // It has not looked since, so it is still at work for whoever comes now.
        let third = board.wait(&issuance(), AckLevel::Persisted);
        assert!(!board.claim_poller());
        drop(third);
        assert!(board.release_poller());
        let _fourth = board.wait(&issuance(), AckLevel::Persisted);
        assert!(board.claim_poller(), "the last one has gone home");
    }

    #[test]
    fn everybody_who_waits_for_that_is_told() {
        let (board, kim) = (AckBoard::default(), issuance());
        let mut waits: Vec<_> = [AckLevel::Persisted, AckLevel::Queued, AckLevel::Persisted]
            .map(|level| board.wait(&kim, level))
            .into();
        let news = [(1, &kim.member_id)];
        assert_eq!(board.reached(&kim.coupon_id, AckLevel::Queued, news), 1);
        assert_eq!(board.page(&kim.coupon_id, 0, 9), [1], "two still wait");
        assert_eq!(board.reached(&kim.coupon_id, AckLevel::Persisted, news), 2);
        assert!(waits.iter_mut().all(|wait| wait.reached.try_recv().is_ok()));
        assert_eq!((board.coupons(), board.release_poller()), (vec![], true));
    }
}
