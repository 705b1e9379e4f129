//! One click: asking until there is a true answer, or the patience ends.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{RaceConfig, field::Field, tally::Tally};
use crate::rng::Rng;
use crate::{
    api::{Answer, Issuance, Rejection},
    connection::{Connection, Reply, RequestError},
    issued_answers::IssuedAnswer,
};

/// A connection and what was counted on it.
#[derive(Debug)]
pub(super) struct Tab {
    connection: Connection,
    rng: Rng,
    pub(super) tally: Tally,
}

/// How a click ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Click {
    /// The member holds a coupon.
    Issued,
    /// There is none left.
    SoldOut,
    /// Another true answer, or one that the contract does not know.
    Answered,
    /// No answer either way, for as long as the member's patience lasted.
    GaveUp,
    /// No answer either way, but the race was ended before the patience was.
    Interrupted,
}

/// What follows from one attempt.
enum Next {
    End(Click),
    AskAgain(Option<Duration>),
}

impl Tab {
    pub(super) fn new(config: &RaceConfig, seed: u64) -> Self {
        let connection = Connection::new(config.target.clone(), config.request_timeout);
        Self { connection, rng: Rng::new(seed), tally: Tally::default() }
    }

    /// Connects ahead of the race. A failure shows again, and is counted, at the first request.
    pub(super) async fn open(&mut self) {
        let _seen_again = self.connection.open().await;
    }

    /// Clicks for member `number`, who first asked at `requested_us`.
    pub(super) async fn click(&mut self, field: &Field, number: u64, requested_us: u64) -> Click {
        let patience = &field.config.patience;
        for attempt in 1..=patience.attempts {
            let sent = Instant::now();
            let outcome = self.connection.send(field.issue.for_member(number)).await;
            let next = match outcome {
                Ok(reply) => {
                    self.tally.sent(sent.elapsed());
                    field.requests.fetch_add(1, Relaxed);
                    self.judge(field, &reply, number, requested_us)
                }
                Err(error) => {
                    if !matches!(error, RequestError::Unreachable(_)) {
                        // A request without an answer counts with the time it took from the member.
                        self.tally.sent(sent.elapsed());
                        field.requests.fetch_add(1, Relaxed);
                    }
                    self.tally.unknown += 1;
                    Next::AskAgain(None)
                }
            };
            match next {
                Next::End(click) => return click,
                Next::AskAgain(_) if attempt == patience.attempts => break,
                Next::AskAgain(_) if field.is_stopped() => return Click::Interrupted,
                Next::AskAgain(retry_after) => {
                    tokio::time::sleep(patience.delay(attempt, retry_after, self.rng.next_u64())).await;
                }
            }
        }
        Click::GaveUp
    }

    fn judge(&mut self, field: &Field, reply: &Reply, number: u64, requested_us: u64) -> Next {
        match Answer::parse(reply) {
            Answer::Issued(issuance) => {
                self.tally.issued_first += 1;
                field.winners.fetch_add(1, Relaxed);
                self.remember(field, &issuance, number, requested_us, false)
            }
            Answer::Repeated(issuance) => {
                self.tally.repeated += 1;
                self.remember(field, &issuance, number, requested_us, true)
            }
            Answer::Rejected(refusal) => {
                self.tally.count_rejection(refusal);
                Next::End(if refusal == Rejection::SoldOut { Click::SoldOut } else { Click::Answered })
            }
            Answer::Shed { retry_after } => {
                self.tally.shed += 1;
                if retry_after.is_none() {
                    self.tally
                        .unexpected(|| format!("{} without Retry-After in seconds", reply.status.as_u16()));
                }
                Next::AskAgain(retry_after)
            }
            Answer::ConnectionClosed => {
                self.tally.unknown += 1;
                Next::AskAgain(None)
            }
            Answer::Unexpected { description, is_retryable } => {
                self.tally.unexpected(|| description);
                if is_retryable { Next::AskAgain(None) } else { Next::End(Click::Answered) }
            }
        }
    }

    /// Keeps what a member was told, provided that it was meant for them.
    fn remember(
        &mut self,
        field: &Field,
        issuance: &Issuance<'_>,
        number: u64,
        requested_us: u64,
        repeated: bool,
    ) -> Next {
        let RaceConfig { coupon_id, member_prefix, .. } = &field.config;
        let member_id = format!("{member_prefix}{number}");
        if issuance.member_id != member_id || issuance.coupon_id != *coupon_id {
            self.tally.unexpected(|| {
                let Issuance { coupon_id, member_id: other, .. } = issuance;
                format!("member {member_id} was given the answer for member {other} of coupon {coupon_id}")
            });
            return Next::End(Click::Answered);
        }
        let (sequence, code) = (issuance.sequence, issuance.code.as_ref().to_owned());
        let answered_us = field.elapsed_us();
        self.tally.issued_answers.push(IssuedAnswer {
            member_id,
            sequence,
            code,
            repeated,
            requested_us,
            answered_us,
        });
        Next::End(Click::Issued)
    }
}
