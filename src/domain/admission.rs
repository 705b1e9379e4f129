//! Decides which members of a batch get a coupon. Pure: engines read before it and write after it, in one atomic step.

use std::collections::HashMap;

use super::ids::MemberId;
use super::inventory::Sequence;
use super::lifecycle::{Rejection, Standing};
use super::time::Timestamp;
use super::trace::Traceparent;

/// One member's request for a coupon.
#[derive(Debug, Clone)]
pub struct AdmissionRequest {
    /// The member to decide on.
    pub member: MemberId,
    /// The trace of the request, carried into the outbox.
    pub traceparent: Option<Traceparent>,
}

/// The sequence and time that the engine gave to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The number of the issuance, from 1.
    pub sequence: Sequence,
    /// The time of the engine's decision.
    pub issued_at: Timestamp,
}

/// The decision on one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A coupon was issued in this step.
    Issued(Grant),
    /// The member holds a coupon already: its grant.
    Again(Grant),
    /// The member holds no coupon and gets none.
    Rejected(Rejection),
}

/// The decision on a batch, and the rows to write before any member is answered.
#[derive(Debug)]
pub struct Decision {
    /// One verdict for each request, in the order of the requests.
    pub verdicts: Vec<Verdict>,
    /// The new holders, with their grants.
    pub winners: Vec<(MemberId, Grant)>,
    /// The standing after the winners are written.
    pub standing: Standing,
}

/// Decides `batch` in its order, from the coupon's standing and `held`, the grants that members of the batch already have.
/// `issued_at` is the time of new grants, which must never go back; the sale period is judged by the standing's own clock.
#[must_use]
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
            // A later request of the same member in this batch gets this grant again.
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
    use crate::domain::{Inventory, Lifecycle, SalePeriod, Timestamp};

    fn standing(total: u32, issued: u32) -> Standing {
        Standing {
            inventory: Inventory::with_issued(total, issued).unwrap(),
            window: SalePeriod::new(Timestamp::from_ms(0), None).unwrap(),
            lifecycle: Lifecycle::Active,
            now: Timestamp::from_ms(50),
        }
    }

    fn grant(sequence: u32, at_ms: i64) -> Grant {
        Grant { sequence, issued_at: Timestamp::from_ms(at_ms) }
    }

    #[test]
    fn the_last_coupon_goes_to_the_first_request_and_holders_get_their_grants_again() {
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
