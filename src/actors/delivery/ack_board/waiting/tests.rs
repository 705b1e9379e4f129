//! A waiter is released when its issuance has reached its level and not before; a waiter that leaves leaves no entry.

use proptest::prelude::*;
use tokio::sync::oneshot;

use super::{AckLevel, CouponId, IssuedCoupon, MemberId, Sequence, Ticket, Waiting};

const LEVELS: [AckLevel; 2] = [AckLevel::Queued, AckLevel::Persisted];

fn coupon(number: u8) -> CouponId {
    CouponId::parse(&format!("c{number}")).unwrap()
}

fn member(number: u8) -> MemberId {
    MemberId::parse(&format!("m{number}")).unwrap()
}

fn issuance(of: u8, sequence: Sequence, to: u8) -> IssuedCoupon {
    IssuedCoupon::sample(coupon(of).as_str(), member(to).as_str(), sequence)
}

#[derive(Debug, Clone)]
enum Step {
    Enter { coupon: u8, sequence: Sequence, member: u8, level: usize },
    Reached { coupon: u8, sequence: Sequence, member: u8, level: usize },
    Leave { waiter: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let target = || (0u8..2, 1u32..6, 0u8..2, 0usize..2);
    prop_oneof![
        3 => target().prop_map(|(coupon, sequence, member, level)| {
            Step::Enter { coupon, sequence, member, level }
        }),
        2 => target().prop_map(|(coupon, sequence, member, level)| {
            Step::Reached { coupon, sequence, member, level }
        }),
        1 => (0usize..40).prop_map(|waiter| Step::Leave { waiter }),
    ]
}

/// One waiter of the model.
struct Modelled {
    target: (u8, Sequence, u8, AckLevel),
    ticket: Ticket,
    receiver: oneshot::Receiver<()>,
    /// Whether its issuance has reached its level.
    is_due: bool,
    /// Whether the receiver has resolved.
    is_released: bool,
    has_left: bool,
}

#[derive(Default)]
struct Model {
    waiting: Waiting,
    waiters: Vec<Modelled>,
}

impl Model {
    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Enter { coupon, sequence, member, level } => {
                let target = (coupon, sequence, member, LEVELS[level]);
                let (ticket, receiver) =
                    self.waiting.enter(&issuance(coupon, sequence, member), LEVELS[level]);
                self.waiters.push(Modelled {
                    target,
                    ticket,
                    receiver,
                    is_due: false,
                    is_released: false,
                    has_left: false,
                });
            }
            Step::Reached { coupon: of, sequence, member: to, level } => {
                self.waiting.release(&coupon(of), sequence, &member(to), LEVELS[level]);
                for waiter in self.waiters.iter_mut().filter(|waiter| !waiter.has_left) {
                    let (its_coupon, its_sequence, its_member, its_level) = waiter.target;
                    let same = (its_coupon, its_sequence, its_member) == (of, sequence, to);
                    waiter.is_due |= same && its_level <= LEVELS[level];
                }
            }
            Step::Leave { waiter } => {
                if let Some(waiter) = self.waiters.get_mut(waiter) {
                    self.waiting.leave(&waiter.ticket);
                    waiter.has_left = true;
                }
            }
        }
    }

    /// Exactly the due waiters are released, and only the others have entries.
    fn check(&mut self) {
        for waiter in self.waiters.iter_mut().filter(|waiter| waiter.is_due || !waiter.has_left) {
            match waiter.receiver.try_recv() {
                Ok(()) => {
                    assert!(waiter.is_due, "{:?} was released too soon", waiter.target);
                    waiter.is_released = true;
                }
                Err(oneshot::error::TryRecvError::Empty) => {
                    assert!(!waiter.is_due, "{:?} was not released", waiter.target);
                }
                Err(oneshot::error::TryRecvError::Closed) => {
                    assert!(waiter.is_released, "{:?} was dropped without a release", waiter.target);
                }
            }
        }
        let still: Vec<_> = self.waiters.iter().filter(|waiter| !waiter.is_due && !waiter.has_left).collect();
        assert_eq!(self.waiting.is_empty(), still.is_empty());
        for number in 0..2 {
            let mut expected: Vec<Sequence> = still
                .iter()
                .filter(|waiter| waiter.target.0 == number)
                .map(|waiter| waiter.target.1)
                .collect();
            expected.sort_unstable();
            expected.dedup();
            assert_eq!(self.waiting.page(&coupon(number), 0, 100), expected);
            assert_eq!(self.waiting.coupons().contains(&coupon(number)), !expected.is_empty());
            let behind: Vec<_> = expected.iter().copied().filter(|sequence| *sequence > 2).take(1).collect();
            assert_eq!(self.waiting.page(&coupon(number), 2, 1), behind);
        }
    }
}

proptest! {
    #[test]
    fn waiters_are_released_exactly_when_their_level_is_reached(steps in prop::collection::vec(step(), 0..60)) {
        let mut model = Model::default();
        for step in &steps {
            model.apply(step);
            model.check();
        }
        for waiter in 0..model.waiters.len() {
            model.apply(&Step::Leave { waiter });
        }
        prop_assert!(model.waiting.is_empty() && model.waiting.coupons.is_empty(), "an entry is left behind");
    }
}

#[test]
fn another_members_row_with_the_same_sequence_releases_no_waiter() {
    let mut waiting = Waiting::default();
    let (_ticket, mut receiver) = waiting.enter(&issuance(0, 1, 0), AckLevel::Persisted);
    waiting.release(&coupon(0), 1, &member(1), AckLevel::Persisted);
    assert!(receiver.try_recv().is_err());
    waiting.release(&coupon(0), 1, &member(0), AckLevel::Queued);
    assert!(receiver.try_recv().is_err(), "a confirm is not a commit");
    waiting.release(&coupon(0), 1, &member(0), AckLevel::Persisted);
    assert!(receiver.try_recv().is_ok());
}
