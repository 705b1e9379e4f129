//! Reads answers: by their status alone, or in full with a record of every issuance.

use bytes::Bytes;
use std::time::Duration;

use super::tally::Outcome;
use crate::api::{Answer, Issuance, Rejection};
use crate::connection::Reply;
use crate::issued_answers::IssuedAnswer;

/// The number of unexpected answers that are quoted.
const EXAMPLES: usize = 5;

/// The request that an answer belongs to.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    pub number: u64,
    /// An index into the plan's coupons.
    pub coupon: usize,
    pub coupon_id: &'a str,
    pub member_prefix: &'a str,
    /// The time at which the request was due, from the beginning of the load.
    pub due: Duration,
    /// The time at which the answer was complete.
    pub answered: Duration,
}

/// Classifies answers. Each thread has its own reader.
pub trait AnswerReader: Send + 'static {
    fn read(&mut self, context: &RequestContext<'_>, reply: &Reply) -> Outcome;
}

/// Reads the status alone, which costs the same for every server.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusReader;

impl AnswerReader for StatusReader {
    fn read(&mut self, _asked: &RequestContext<'_>, reply: &Reply) -> Outcome {
        match reply.status.as_u16() {
            201 => Outcome::Issued,
            200 => Outcome::Repeated,
            409 => Outcome::SoldOut,
            429 | 503 => Outcome::Shed,
            408 => Outcome::Unknown,
            _ => Outcome::Unexpected,
        }
    }
}

/// Parses every answer and records the issuances.
#[derive(Debug, Default)]
pub struct FullReader {
    /// By coupon, in the order of the plan.
    pub issued_answers: Vec<Vec<IssuedAnswer>>,
    pub unexpected_examples: Vec<String>,
    /// The last "sold out" body. Most answers of a sold-out coupon are equal to it, so that they need no
    /// parsing.
    sold_out: Option<Bytes>,
}

impl FullReader {
    fn unexpected(&mut self, describe: impl FnOnce() -> String) -> Outcome {
        if self.unexpected_examples.len() < EXAMPLES {
            self.unexpected_examples.push(describe());
        }
        Outcome::Unexpected
    }

    fn record_issuance(
        &mut self,
        context: &RequestContext<'_>,
        issuance: &Issuance<'_>,
        repeated: bool,
    ) -> Outcome {
        let member_id = format!("{}{}", context.member_prefix, context.number);
        if issuance.member_id != member_id || issuance.coupon_id != context.coupon_id {
            let Issuance { coupon_id, member_id: other, .. } = issuance;
            return self.unexpected(|| {
                format!("member {member_id} got the answer for member {other} of coupon {coupon_id}")
            });
        }
        if self.issued_answers.len() <= context.coupon {
            self.issued_answers.resize_with(context.coupon + 1, Vec::new);
        }
        let us = |moment: Duration| u64::try_from(moment.as_micros()).unwrap_or(u64::MAX);
        self.issued_answers[context.coupon].push(IssuedAnswer {
            member_id,
            sequence: issuance.sequence,
            code: issuance.code.as_ref().to_owned(),
            repeated,
            requested_us: us(context.due),
            answered_us: us(context.answered),
        });
        if repeated { Outcome::Repeated } else { Outcome::Issued }
    }
}

impl AnswerReader for FullReader {
    fn read(&mut self, context: &RequestContext<'_>, reply: &Reply) -> Outcome {
        if reply.status.as_u16() == 409 && self.sold_out.as_ref() == Some(&reply.body) {
            return Outcome::SoldOut;
        }
        match Answer::parse(reply) {
            Answer::Issued(issuance) => self.record_issuance(context, &issuance, false),
            Answer::Repeated(issuance) => self.record_issuance(context, &issuance, true),
            Answer::Rejected(Rejection::SoldOut) => {
                self.sold_out = Some(reply.body.clone());
                Outcome::SoldOut
            }
            Answer::Rejected(_) => Outcome::Rejected,
            Answer::Shed { retry_after: Some(_) } => Outcome::Shed,
            Answer::Shed { retry_after: None } => {
                self.unexpected(|| format!("{} without Retry-After in seconds", reply.status.as_u16()))
            }
            Answer::ConnectionClosed => Outcome::Unknown,
            Answer::Unexpected { description, .. } => self.unexpected(|| description),
        }
    }
}
