//! The quarantine and the dead letters contain exactly the planted messages, and every answer is in the contract.

use std::collections::BTreeSet;

use super::{EvidenceIndex, Violation, describe};
use crate::chaos::history::Outcome;

pub(super) fn check(index: &EvidenceIndex<'_>) -> Vec<Violation> {
    let evidence = index.evidence;
    let planted: BTreeSet<_> = evidence.planted_conflicts.iter().collect();
    let found: BTreeSet<_> = evidence.conflicts.iter().collect();
    let mut violations = Vec::new();
    for conflict in planted.difference(&found) {
        let what = format!("{conflict:?} conflicts with a row, and is not in the quarantine");
        violations.push(Violation::new("conflicts_are_kept", what));
    }
    for conflict in found.difference(&planted) {
        let what = format!("{conflict:?} is in the quarantine, and was not planted");
        violations.push(Violation::new("nothing_contradicts", what));
    }
    let unreadable: BTreeSet<_> = evidence.planted_unreadable.iter().collect();
    let dead: BTreeSet<_> = evidence.dead_letters.iter().collect();
    for letter in unreadable.difference(&dead) {
        let what = format!("{letter:?} was planted, and is not in the dead letters");
        violations.push(Violation::new("dead_letters_are_explained", what));
    }
    for letter in dead.difference(&unreadable) {
        let what = format!("{letter:?} is in the dead letters, and was not planted");
        violations.push(Violation::new("dead_letters_are_explained", what));
    }
    for op in &evidence.ops {
        if let Outcome::Unexpected(answer) = &op.outcome {
            let what = format!("{}: {:?} was answered {answer}", describe(op), op.call);
            violations.push(Violation::new("answers_are_in_the_contract", what));
        }
    }
    violations
}
