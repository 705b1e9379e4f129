//! How answers are read: by their status alone, or in full, keeping what every member was told.

use bytes::Bytes;
use std::time::Duration;

use super::tally::Outcome;
use crate::api::{Answer, Issuance, Rejection};
use crate::connection::Reply;
use crate::issued_answers::IssuedAnswer;

/// How many unexpected answers are quoted.
const EXAMPLES: usize = 5;

/// One answer, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The member's number.
    pub number: u64,
    /// Which of the plan's coupons.
    pub coupon: usize,
    /// Its id.
    pub coupon_id: &'a str,
    /// What the member's name begins with.
    pub member_prefix: &'a str,
    /// When they meant to ask, from the beginning.
    pub meant: Duration,
    /// When the answer was complete.
    pub answered: Duration,
}

/// Reads answers. Each thread has its own.
pub trait Read: Send + 'static {
    /// What the answer says.
    fn read(&mut self, asked: &Asked<'_>, reply: &Reply) -> Outcome;
}

/// Takes the status for the answer: the same price for every server, whatever it writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusOnly;

impl Read for StatusOnly {
    fn read(&mut self, _asked: &Asked<'_>, reply: &Reply) -> Outcome {
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

/// Reads every answer in full and remembers who was told what.
#[derive(Debug, Default)]
pub struct Remember {
    /// What members were told, by coupon.
    pub issued_answers: Vec<Vec<IssuedAnswer>>,
    /// The first few answers that the contract does not know.
    pub unexpected_examples: Vec<String>,
    /// The last "sold out", byte for byte: most answers of a sold-out coupon are this one again.
    sold_out: Option<Bytes>,
}

impl Remember {
    fn unexpected(&mut self, describe: impl FnOnce() -> String) -> Outcome {
        if self.unexpected_examples.len() < EXAMPLES {
            self.unexpected_examples.push(describe());
        }
        Outcome::Unexpected
    }

    fn told(&mut self, asked: &Asked<'_>, issuance: &Issuance<'_>, repeated: bool) -> Outcome {
        let member_id = format!("{}{}", asked.member_prefix, asked.number);
        if issuance.member_id != member_id || issuance.coupon_id != asked.coupon_id {
            let Issuance { coupon_id, member_id: other, .. } = issuance;
            return self.unexpected(|| {
                format!("member {member_id} was given the answer for member {other} of coupon {coupon_id}")
            });
        }
        if self.issued_answers.len() <= asked.coupon {
            self.issued_answers.resize_with(asked.coupon + 1, Vec::new);
        }
        let us = |moment: Duration| u64::try_from(moment.as_micros()).unwrap_or(u64::MAX);
        self.issued_answers[asked.coupon].push(IssuedAnswer {
            member_id,
            sequence: issuance.sequence,
            code: issuance.code.as_ref().to_owned(),
            repeated,
            requested_us: us(asked.meant),
            answered_us: us(asked.answered),
        });
        if repeated { Outcome::Repeated } else { Outcome::Issued }
    }
}

impl Read for Remember {
    fn read(&mut self, asked: &Asked<'_>, reply: &Reply) -> Outcome {
        if reply.status.as_u16() == 409 && self.sold_out.as_ref() == Some(&reply.body) {
            return Outcome::SoldOut;
        }
        match Answer::parse(reply) {
            Answer::Issued(issuance) => self.told(asked, &issuance, false),
            Answer::Repeated(issuance) => self.told(asked, &issuance, true),
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
