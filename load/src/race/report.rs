//! What a race was like, in numbers that nobody has judged yet.

use std::time::Duration;

use super::{field::Field, tally::Tally};
use crate::{issued_answers::IssuedAnswer, latency::Latency};

/// The outcome of a race. Answers are counted one by one: a double click counts twice.
#[derive(Clone, Debug)]
pub struct RaceReport {
    /// The coupon that was raced for.
    pub coupon_id: String,
    /// How many members asked.
    pub members: u64,
    /// How many asked at the same time.
    pub clients: usize,
    /// HTTP requests sent, answered or not.
    pub requests: u64,
    /// 201: issued by this request.
    pub issued_first: u64,
    /// 200: the same coupon again.
    pub repeated: u64,
    /// 409 sold_out.
    pub sold_out: u64,
    /// 409 not_open.
    pub not_open: u64,
    /// 409 closed.
    pub closed: u64,
    /// 429 and 503 answers. Each was asked again.
    pub shed: u64,
    /// Requests that timed out, lost their connection or found none. Each was asked again.
    pub unknown: u64,
    /// Members who never got a true answer, by any click.
    pub gave_up: u64,
    /// Answers that the contract does not know, or that contradict each other.
    pub unexpected: u64,
    /// The first few of those.
    pub unexpected_examples: Vec<String>,
    /// From the first request to the last answer.
    pub duration: Duration,
    /// How long requests took.
    pub latency: Latency,
    /// One entry for every answer that told a member that they hold a coupon.
    pub issued_answers: Vec<IssuedAnswer>,
    /// The race was ended before all members had asked.
    pub stopped_early: bool,
}

impl RaceReport {
    pub(super) fn new(field: &Field, tally: Tally) -> Self {
        let members = field.snapshot().members_done;
        Self {
            coupon_id: field.config.coupon_id.clone(),
            members,
            clients: field.config.clients,
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
            duration: field.elapsed(),
            latency: tally.latency,
            issued_answers: tally.issued_answers,
            stopped_early: members < field.config.members,
        }
    }

    /// Requests a second, from the first to the last.
    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.duration.as_secs_f64().max(1e-9)
    }
}
