//! The quarantine and the dead letters contain exactly the planted messages, and every answer is in the contract.

use std::collections::BTreeSet;

use super::{Book, Violation, name};
use crate::chaos::history::Outcome;

pub(super) fn check(book: &Book<'_>) -> Vec<Violation> {
    let evidence = book.evidence;
    let planted: BTreeSet<_> = evidence.planted_conflicts.iter().collect();
    let found: BTreeSet<_> = evidence.conflicts.iter().collect();
    let mut violations = Vec::new();
    for conflict in planted.difference(&found) {
        let what = format!("{conflict:?} contradicted a row, and is not in the quarantine");
        violations.push(Violation::new("contradictions_are_kept", what));
    }
    for conflict in found.difference(&planted) {
        let what = format!("{conflict:?} is in the quarantine, and was not planted");
        violations.push(Violation::new("nothing_contradicts", what));
    }
    let poison: BTreeSet<_> = evidence.planted_poison.iter().collect();
    let dead: BTreeSet<_> = evidence.dead_letters.iter().collect();
    for letter in poison.difference(&dead) {
        let what = format!("{letter:?} was planted, and is not in the dead letters");
        violations.push(Violation::new("dead_letters_are_explained", what));
    }
    for letter in dead.difference(&poison) {
        let what = format!("{letter:?} is in the dead letters, and was not planted");
        violations.push(Violation::new("dead_letters_are_explained", what));
    }
    for op in &evidence.ops {
        if let Outcome::Unexpected(answer) = &op.outcome {
            let what = format!("{}: {:?} was answered {answer}", name(op), op.call);
            violations.push(Violation::new("answers_are_in_the_contract", what));
        }
    }
    violations
}
