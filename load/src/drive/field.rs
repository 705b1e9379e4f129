//! What the threads of a load share: the plan, the next member's number, the beginning and the end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Barrier, OnceLock};
use std::time::{Duration, Instant};

use super::Standing;
use super::plan::{Arrivals, Plan};
use super::tally::Tally;
use crate::api::IssueRequests;

/// Who asks next, and when they mean to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) number: u64,
    /// From the beginning; `None` means now.
    pub(super) meant: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) plan: Plan,
    /// One for each coupon.
    pub(super) requests: Vec<IssueRequests>,
    next: AtomicU64,
    ended: AtomicU64,
    stopped: AtomicBool,
    /// Nobody asks before everybody is connected.
    line: Barrier,
    begun: OnceLock<Instant>,
}

impl Field {
    pub(super) fn new(plan: Plan) -> Result<Self, hyper::http::Error> {
        let requests = plan
            .coupons
            .iter()
            .map(|coupon| IssueRequests::new(&plan.target, coupon, &plan.member_prefix))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            requests,
            next: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            line: Barrier::new(plan.threads),
            begun: OnceLock::new(),
            plan,
        })
    }

    /// Waits for the other threads. The moment is the same for all.
    pub(super) fn begin(&self) -> Instant {
        self.line.wait();
        *self.begun.get_or_init(Instant::now)
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// The next member; `None` when nobody comes any more.
    pub(super) fn turn(&self, now: Duration) -> Option<Turn> {
        if self.is_stopped() {
            return None;
        }
        let take = || self.next.fetch_add(1, Relaxed);
        match &self.plan.arrivals {
            Arrivals::Closed { lasts } => {
                (now < self.plan.warm_up + *lasts).then(|| Turn { number: take(), meant: None })
            }
            Arrivals::Open(schedule) => {
                let number = take();
                schedule.moment(number).map(|meant| Turn { number, meant: Some(meant) })
            }
            Arrivals::Once { members } => {
                let number = take();
                (number < *members).then_some(Turn { number, meant: Some(Duration::ZERO) })
            }
        }
    }

    pub(super) fn ended_one(&self) {
        self.ended.fetch_add(1, Relaxed);
    }

    pub(super) fn standing(&self) -> Standing {
        Standing {
            elapsed: self.begun.get().map_or(Duration::ZERO, Instant::elapsed),
            ended: self.ended.load(Relaxed),
            members: self.next.load(Relaxed),
        }
    }

    /// How long the measured part was, given what came back.
    pub(super) fn ran(&self, tally: &Tally) -> Duration {
        let (begins, ends) = self.plan.measured();
        match ends {
            Some(ends) if !self.is_stopped() => ends.saturating_sub(begins),
            _ => tally.last.saturating_sub(begins),
        }
    }
}
