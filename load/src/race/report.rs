//! The counts of a race, before any judgement.

use std::time::Duration;

use super::{state::RaceState, tally::Tally};
use crate::{issued_answers::IssuedAnswer, latency::Latency};

/// The outcome of a race. Counts answers, so that a double click counts twice.
#[derive(Clone, Debug)]
pub struct RaceReport {
    pub coupon_id: String,
    pub members: u64,
    pub clients: usize,
    /// Answered or not.
    pub requests: u64,
    /// 201: issued by this request.
    pub issued_first: u64,
    /// 200: the same coupon again.
    pub repeated: u64,
    pub sold_out: u64,
    pub not_open: u64,
    pub closed: u64,
    /// 429 and 503 answers. Each request was sent again.
    pub shed: u64,
    /// Requests that timed out, lost their connection or found none. Each was sent again.
    pub unknown: u64,
    /// Members without a verdict after all their clicks.
    pub gave_up: u64,
    /// Answers that the contract does not define, or that contradict each other.
    pub unexpected: u64,
    pub unexpected_examples: Vec<String>,
    /// From the first request to the last answer.
    pub duration: Duration,
    pub latency: Latency,
    pub issued_answers: Vec<IssuedAnswer>,
    /// The race ended before all members had made their requests.
    pub stopped_early: bool,
}

impl RaceReport {
    pub(super) fn new(state: &RaceState, tally: Tally) -> Self {
        let members = state.snapshot().members_done;
        Self {
            coupon_id: state.config.coupon_id.clone(),
            members,
            clients: state.config.clients,
            requests: tally.requests,
            issued_first: tally.issued_first,
            repeated: tally.repeated,
            sold_out: tally.sold_out,
            not_open: tally.not_open,
            closed: tally.closed,
            shed: tally.shed,
            unknown: tally.unknown,
            gave_up: tally.gave_up,
            unexpected: tally.unexpected,
            unexpected_examples: tally.unexpected_examples,
            duration: state.elapsed(),
            latency: tally.latency,
            issued_answers: tally.issued_answers,
            stopped_early: members < state.config.members,
        }
    }

    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.duration.as_secs_f64().max(1e-9)
    }
}
