//! The counts of one client. Each client has its own, and they are added up at the end, so that clients share
//! nothing.

use std::time::Duration;

use crate::{api::Rejection, issued_answers::IssuedAnswer, latency::Latency};

const EXAMPLES: usize = 5;

/// The counters of a race, or of a part of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) issued_first: u64,
    pub(super) repeated: u64,
    pub(super) sold_out: u64,
    pub(super) not_open: u64,
    pub(super) closed: u64,
    pub(super) shed: u64,
    pub(super) unknown: u64,
    pub(super) gave_up: u64,
    pub(super) unexpected: u64,
    pub(super) unexpected_examples: Vec<String>,
    pub(super) latency: Latency,
    pub(super) issued_answers: Vec<IssuedAnswer>,
}

impl Tally {
    pub(super) fn record_request(&mut self, took: Duration) {
        self.requests += 1;
        self.latency.record(took);
    }

    pub(super) fn count_rejection(&mut self, rejection: Rejection) {
        match rejection {
            Rejection::SoldOut => self.sold_out += 1,
            Rejection::NotOpen => self.not_open += 1,
            Rejection::Closed => self.closed += 1,
        }
    }

    /// Counts an answer that the contract does not define. Formats the description only if it will be quoted.
    pub(super) fn count_unexpected(&mut self, describe: impl FnOnce() -> String) {
        self.unexpected += 1;
        if self.unexpected_examples.len() < EXAMPLES {
            self.unexpected_examples.push(describe());
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.issued_first += other.issued_first;
        self.repeated += other.repeated;
        self.sold_out += other.sold_out;
        self.not_open += other.not_open;
        self.closed += other.closed;
        self.shed += other.shed;
        self.unknown += other.unknown;
        self.gave_up += other.gave_up;
        self.unexpected += other.unexpected;
        let remaining = EXAMPLES - self.unexpected_examples.len().min(EXAMPLES);
        self.unexpected_examples.extend(other.unexpected_examples.into_iter().take(remaining));
        self.latency.merge(&other.latency);
        self.issued_answers.extend(other.issued_answers);
    }
}
