//! One click: requests until there is a verdict or the attempts are used up.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{RaceConfig, state::RaceState, tally::Tally};
use crate::rng::Rng;
use crate::{
    api::{Answer, Issuance, Rejection},
    connection::{Connection, Reply, RequestError},
    issued_answers::IssuedAnswer,
};

/// A connection with its own counters.
#[derive(Debug)]
pub(super) struct ClientConnection {
    connection: Connection,
    rng: Rng,
    pub(super) tally: Tally,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClickOutcome {
    Issued,
    SoldOut,
    /// Another verdict, or an answer that the contract does not define.
    Answered,
    /// No verdict after all attempts.
    GaveUp,
    /// No verdict before the race was stopped.
    Interrupted,
}

/// The consequence of one attempt.
enum NextStep {
    End(ClickOutcome),
    Retry(Option<Duration>),
}

impl ClientConnection {
    pub(super) fn new(config: &RaceConfig, seed: u64) -> Self {
        let connection = Connection::new(config.target.clone(), config.request_timeout);
        Self { connection, rng: Rng::new(seed), tally: Tally::default() }
    }

    /// Connects ahead of the race. A failure appears, and is counted, at the first request.
    pub(super) async fn open(&mut self) {
        let _appears_at_the_first_request = self.connection.open().await;
    }

    /// Clicks for a member whose first request was made at `requested_us`.
    pub(super) async fn click(&mut self, state: &RaceState, number: u64, requested_us: u64) -> ClickOutcome {
        let retry = &state.config.retry;
        for attempt in 1..=retry.attempts {
            let sent_at = Instant::now();
            let outcome = self.connection.send(state.issue.for_member(number)).await;
            let next = match outcome {
                Ok(reply) => {
                    self.tally.record_request(sent_at.elapsed());
                    state.requests.fetch_add(1, Relaxed);
                    self.evaluate(state, &reply, number, requested_us)
                }
                Err(error) => {
                    if !matches!(error, RequestError::Unreachable(_)) {
                        // A request without an answer counts with the time until it failed.
                        self.tally.record_request(sent_at.elapsed());
                        state.requests.fetch_add(1, Relaxed);
                    }
                    self.tally.unknown += 1;
                    NextStep::Retry(None)
                }
            };
            match next {
                NextStep::End(click) => return click,
                NextStep::Retry(_) if attempt == retry.attempts => break,
                NextStep::Retry(_) if state.is_stopped() => return ClickOutcome::Interrupted,
                NextStep::Retry(retry_after) => {
                    tokio::time::sleep(retry.delay(attempt, retry_after, self.rng.next_u64())).await;
                }
            }
        }
        ClickOutcome::GaveUp
    }

    fn evaluate(&mut self, state: &RaceState, reply: &Reply, number: u64, requested_us: u64) -> NextStep {
        match Answer::parse(reply) {
            Answer::Issued(issuance) => {
                self.tally.issued_first += 1;
                state.holders.fetch_add(1, Relaxed);
                self.record_issuance(state, &issuance, number, requested_us, false)
            }
            Answer::Repeated(issuance) => {
                self.tally.repeated += 1;
                self.record_issuance(state, &issuance, number, requested_us, true)
            }
            Answer::Rejected(rejection) => {
                self.tally.count_rejection(rejection);
                NextStep::End(if rejection == Rejection::SoldOut {
                    ClickOutcome::SoldOut
                } else {
                    ClickOutcome::Answered
                })
            }
            Answer::Shed { retry_after } => {
                self.tally.shed += 1;
                if retry_after.is_none() {
                    self.tally.count_unexpected(|| {
                        format!("{} without Retry-After in seconds", reply.status.as_u16())
                    });
                }
                NextStep::Retry(retry_after)
            }
            Answer::ConnectionClosed => {
                self.tally.unknown += 1;
                NextStep::Retry(None)
            }
            Answer::Unexpected { description, is_retryable } => {
                self.tally.count_unexpected(|| description);
                if is_retryable { NextStep::Retry(None) } else { NextStep::End(ClickOutcome::Answered) }
            }
        }
    }

    /// Records an issuance, provided that it belongs to the member.
    fn record_issuance(
        &mut self,
        state: &RaceState,
        issuance: &Issuance<'_>,
        number: u64,
        requested_us: u64,
        repeated: bool,
    ) -> NextStep {
        let RaceConfig { coupon_id, member_prefix, .. } = &state.config;
        let member_id = format!("{member_prefix}{number}");
        if issuance.member_id != member_id || issuance.coupon_id != *coupon_id {
            self.tally.count_unexpected(|| {
                let Issuance { coupon_id, member_id: other, .. } = issuance;
                format!("member {member_id} got the answer for member {other} of coupon {coupon_id}")
            });
            return NextStep::End(ClickOutcome::Answered);
        }
        let sequence = issuance.sequence;
        let code = issuance.code.as_ref().to_owned();
        let answered_us = state.elapsed_us();
        self.tally.issued_answers.push(IssuedAnswer {
            member_id,
            sequence,
            code,
            repeated,
            requested_us,
            answered_us,
        });
        NextStep::End(ClickOutcome::Issued)
    }
}
