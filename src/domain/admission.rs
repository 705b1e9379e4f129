//! Who of a batch gets a coupon: decided on plain values between the reading and the writing of one step.

use std::collections::HashMap;

use crate::domain::{MemberId, Rejection, Standing, Timestamp};
use crate::ports::{AdmissionRequest, Grant, Verdict};

/// What was decided for a batch, and what has to be written before anybody may be told.
#[derive(Debug)]
pub struct Decision {
    /// One verdict a request, in their order.
    pub verdicts: Vec<Verdict>,
    /// Who holds a coupon from now on.
    pub winners: Vec<(MemberId, Grant)>,
    /// How the coupon stands once that is written.
    pub standing: Standing,
}

/// Decides for `batch` in its order, given how the coupon stands and what members of the batch hold already. What is issued
/// is issued at `issued_at`, which a clock that was set back does not set back; the window goes by the clock itself.
pub fn decide(
    mut standing: Standing,
    issued_at: Timestamp,
    mut held: HashMap<MemberId, Grant>,
    batch: &[AdmissionRequest],
) -> Decision {
    let mut verdicts = Vec::with_capacity(batch.len());
    let mut winners = Vec::new();
    for AdmissionRequest { member, .. } in batch {
        let verdict = if let Some(grant) = held.get(member) {
            Verdict::Again(*grant)
        } else if let Some(rejection) = standing.rejection() {
            Verdict::Rejected(rejection)
        } else if let Ok((inventory, sequence)) = standing.inventory.issue() {
            let grant = Grant { sequence, issued_at };
            standing.inventory = inventory;
            // The same member may come again further down in this batch.
            held.insert(member.clone(), grant);
            winners.push((member.clone(), grant));
            Verdict::Issued(grant)
        } else {
            Verdict::Rejected(Rejection::SoldOut)
        };
        verdicts.push(verdict);
    }
    Decision { verdicts, winners, standing }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{AdmissionRequest, Grant, MemberId, Rejection, Standing, Verdict, decide};
    use crate::domain::{Inventory, Lifecycle, Timestamp, Window};

    fn standing(total: u32, issued: u32) -> Standing {
        Standing {
            inventory: Inventory::with_issued(total, issued).unwrap(),
            window: Window::new(Timestamp::from_ms(0), None).unwrap(),
            lifecycle: Lifecycle::Active,
            now: Timestamp::from_ms(50),
        }
    }

    fn grant(sequence: u32, at_ms: i64) -> Grant {
        Grant { sequence, issued_at: Timestamp::from_ms(at_ms) }
    }

    #[test]
    fn the_last_coupon_goes_to_the_first_and_holders_get_theirs_again() {
        let member = |id: &str| MemberId::parse(id).unwrap();
        let batch: Vec<_> = ["new", "old", "late", "new"]
            .map(|id| AdmissionRequest { member: member(id), traceparent: None })
            .into();
        let held = HashMap::from([(member("old"), grant(1, 7))]);
        let decision = decide(standing(3, 2), Timestamp::from_ms(60), held, &batch);
        let expected = [
            Verdict::Issued(grant(3, 60)),
            Verdict::Again(grant(1, 7)),
            Verdict::Rejected(Rejection::SoldOut),
            Verdict::Again(grant(3, 60)),
        ];
        assert_eq!(decision.verdicts, expected);
        assert_eq!(decision.winners, [(member("new"), grant(3, 60))]);
        assert!(decision.standing.inventory.is_sold_out());
    }
}
