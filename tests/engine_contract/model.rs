//! A model of the contract in memory: the required behaviour without a clock, a disk or a second thread.

use std::collections::HashMap;

use openrun::domain::{Lifecycle, Rejection, Sequence};

/// The position of a sale period relative to now; its edges are out of reach of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    Now,
    Later,
    Over,
}

/// The model's verdict on one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Issued(Sequence),
    Again(Sequence),
    Rejected(Rejection),
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Admit(Vec<u8>),
    Find(u8),
    Load,
    Total(u32),
    SalePeriod(Span),
    Lifecycle(Lifecycle),
}

/// The state of one coupon.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) total: u32,
    pub(crate) span: Span,
    pub(crate) lifecycle: Lifecycle,
    /// In the order of issuing: the first has sequence 1.
    pub(crate) holders: Vec<u8>,
}

impl Model {
    pub(crate) fn new(total: u32) -> Self {
        Self { total, span: Span::Now, lifecycle: Lifecycle::Active, holders: Vec::new() }
    }

    pub(crate) fn issued(&self) -> u32 {
        u32::try_from(self.holders.len()).expect("few")
    }

    pub(crate) fn held(&self, member: u8) -> Option<Sequence> {
        let sequences: HashMap<u8, Sequence> = self.holders.iter().copied().zip(1..).collect();
        sequences.get(&member).copied()
    }

    pub(crate) fn admit(&mut self, member: u8) -> Expected {
        if let Some(sequence) = self.held(member) {
            return Expected::Again(sequence);
        }
        if self.lifecycle == Lifecycle::Closed || self.span == Span::Over {
            return Expected::Rejected(Rejection::Closed);
        }
        if self.issued() >= self.total {
            return Expected::Rejected(Rejection::SoldOut);
        }
        if self.span == Span::Later {
            return Expected::Rejected(Rejection::NotOpen);
        }
        if self.lifecycle == Lifecycle::Paused {
            return Expected::Rejected(Rejection::Paused);
        }
        self.holders.push(member);
        Expected::Issued(self.issued())
    }

    /// Applies an operator's change if it is allowed, and gives whether it was.
    pub(crate) fn apply(&mut self, step: &Step) -> bool {
        let closed = self.lifecycle == Lifecycle::Closed;
        match step {
            Step::Total(total) if !closed && *total >= self.issued().max(1) => self.total = *total,
            Step::SalePeriod(span) if !closed && (self.holders.is_empty() || *span == self.span) => {
                self.span = *span;
            }
            Step::Lifecycle(lifecycle) if !closed || *lifecycle == Lifecycle::Closed => {
                self.lifecycle = *lifecycle;
            }
            _ => return false,
        }
        true
    }
}
