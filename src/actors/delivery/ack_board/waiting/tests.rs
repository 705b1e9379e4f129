//! Everybody is told when it is true and not before, and whoever has gone leaves nothing behind.

use proptest::prelude::*;
use tokio::sync::oneshot;

use super::{AckLevel, CouponId, IssuedCoupon, MemberId, Sequence, Ticket, Waiting};
use crate::domain::{CodeSalt, IssuanceStatus, Timestamp};

const LEVELS: [AckLevel; 2] = [AckLevel::Queued, AckLevel::Persisted];

fn coupon(number: u8) -> CouponId {
    CouponId::parse(&format!("c{number}")).unwrap()
}

fn member(number: u8) -> MemberId {
    MemberId::parse(&format!("m{number}")).unwrap()
}

fn issuance(of: u8, sequence: Sequence, to: u8) -> IssuedCoupon {
    let (coupon_id, member_id) = (coupon(of), member(to));
    let code = CodeSalt::from_bytes([0; 32]).code(&coupon_id, &member_id);
    let (status, issued_at) = (IssuanceStatus::Unused, Timestamp::from_ms(1));
    IssuedCoupon { coupon_id, member_id, sequence, code, status, issued_at }
}

/// What may happen, in any order.
#[derive(Debug, Clone)]
enum Step {
    Enter { coupon: u8, sequence: Sequence, member: u8, level: usize },
    Reached { coupon: u8, sequence: Sequence, member: u8, level: usize },
    Leave { place: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let which = || (0u8..2, 1u32..6, 0u8..2, 0usize..2);
    prop_oneof![
        3 => which().prop_map(|(coupon, sequence, member, level)| {
            Step::Enter { coupon, sequence, member, level }
        }),
        2 => which().prop_map(|(coupon, sequence, member, level)| {
            Step::Reached { coupon, sequence, member, level }
        }),
        1 => (0usize..40).prop_map(|place| Step::Leave { place }),
    ]
}

/// One who waits, as the model knows them.
struct Expected {
    wants: (u8, Sequence, u8, AckLevel),
    ticket: Ticket,
    told: oneshot::Receiver<()>,
    /// Whether it is true already.
    due: bool,
    /// Whether they have read so.
    heard: bool,
    gone: bool,
}

#[derive(Default)]
struct Model {
    waiting: Waiting,
    all: Vec<Expected>,
}

impl Model {
    fn take(&mut self, step: &Step) {
        match *step {
            Step::Enter { coupon, sequence, member, level } => {
                let wants = (coupon, sequence, member, LEVELS[level]);
                let (ticket, told) = self.waiting.enter(&issuance(coupon, sequence, member), LEVELS[level]);
                self.all.push(Expected { wants, ticket, told, due: false, heard: false, gone: false });
            }
            Step::Reached { coupon: of, sequence, member: to, level } => {
                self.waiting.reached(&coupon(of), sequence, &member(to), LEVELS[level]);
                for one in self.all.iter_mut().filter(|one| !one.gone) {
                    let (its_coupon, its_sequence, its_member, its_level) = one.wants;
                    let same = (its_coupon, its_sequence, its_member) == (of, sequence, to);
                    one.due |= same && its_level <= LEVELS[level];
                }
            }
            Step::Leave { place } => {
                if let Some(one) = self.all.get_mut(place) {
                    self.waiting.leave(&one.ticket);
                    one.gone = true;
                }
            }
        }
    }

    /// Everybody knows what is true by now and nothing else, and only those who still wait are in the books.
    fn check(&mut self) {
        for one in self.all.iter_mut().filter(|one| one.due || !one.gone) {
            match one.told.try_recv() {
                Ok(()) => {
                    assert!(one.due, "{:?} was told too soon", one.wants);
                    one.heard = true;
                }
                Err(oneshot::error::TryRecvError::Empty) => {
                    assert!(!one.due, "{:?} was not told", one.wants);
                }
                Err(oneshot::error::TryRecvError::Closed) => assert!(one.heard, "{:?} was lost", one.wants),
            }
        }
        let still: Vec<_> = self.all.iter().filter(|one| !one.due && !one.gone).collect();
        assert_eq!(self.waiting.is_empty(), still.is_empty());
        for number in 0..2 {
            let mut expected: Vec<Sequence> =
                still.iter().filter(|one| one.wants.0 == number).map(|one| one.wants.1).collect();
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
    fn everybody_is_told_exactly_when_it_is_true(steps in prop::collection::vec(step(), 0..60)) {
        let mut model = Model::default();
        for step in &steps {
            model.take(step);
            model.check();
        }
        for place in 0..model.all.len() {
            model.take(&Step::Leave { place });
        }
        prop_assert!(model.waiting.is_empty() && model.waiting.coupons.is_empty(), "something is left behind");
    }
}

#[test]
fn anothers_row_under_the_same_sequence_proves_nothing() {
    let mut waiting = Waiting::default();
    let (_ticket, mut told) = waiting.enter(&issuance(0, 1, 0), AckLevel::Persisted);
    waiting.reached(&coupon(0), 1, &member(1), AckLevel::Persisted);
    assert!(told.try_recv().is_err());
    waiting.reached(&coupon(0), 1, &member(0), AckLevel::Queued);
    assert!(told.try_recv().is_err(), "the broker's word is not the database's");
    waiting.reached(&coupon(0), 1, &member(0), AckLevel::Persisted);
    assert!(told.try_recv().is_ok());
}
