//! The state that the threads of a load share: the plan, the next member's number, and when the load begins
//! and stops.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Barrier, OnceLock};
use std::time::{Duration, Instant};

use super::LoadProgress;
use super::plan::{Arrivals, Plan};
use super::tally::Tally;
use crate::api::IssueRequests;

/// The next member and the time at which the request is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) number: u64,
    /// From the beginning of the load; `None` means now.
    pub(super) due: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct LoadState {
    pub(super) plan: Plan,
    /// One for each coupon.
    pub(super) requests: Vec<IssueRequests>,
    next: AtomicU64,
    ended: AtomicU64,
    stopped: AtomicBool,
    /// No request is sent before all connections are open.
    start_barrier: Barrier,
    started_at: OnceLock<Instant>,
}

impl LoadState {
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
            start_barrier: Barrier::new(plan.threads),
            started_at: OnceLock::new(),
            plan,
        })
    }

    /// Waits for the other threads. All of them get the same instant.
    pub(super) fn wait_for_start(&self) -> Instant {
        self.start_barrier.wait();
        *self.started_at.get_or_init(Instant::now)
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// `None` when no more members come.
    pub(super) fn next_arrival(&self, now: Duration) -> Option<Arrival> {
        if self.is_stopped() {
            return None;
        }
        let take = || self.next.fetch_add(1, Relaxed);
        match &self.plan.arrivals {
            Arrivals::Closed { duration } => {
                (now < self.plan.warm_up + *duration).then(|| Arrival { number: take(), due: None })
            }
            Arrivals::Open(schedule) => {
                let number = take();
                schedule.due_at(number).map(|due| Arrival { number, due: Some(due) })
            }
            Arrivals::AtOnce { members } => {
                let number = take();
                (number < *members).then_some(Arrival { number, due: Some(Duration::ZERO) })
            }
        }
    }

    pub(super) fn count_ended(&self) {
        self.ended.fetch_add(1, Relaxed);
    }

    pub(super) fn progress(&self) -> LoadProgress {
        LoadProgress {
            elapsed: self.started_at.get().map_or(Duration::ZERO, Instant::elapsed),
            ended: self.ended.load(Relaxed),
            members: self.next.load(Relaxed),
        }
    }

    /// The length of the measured period, given the counts.
    pub(super) fn measured_duration(&self, tally: &Tally) -> Duration {
        let (measured_from, measured_until) = self.plan.measured_period();
        match measured_until {
            Some(measured_until) if !self.is_stopped() => measured_until.saturating_sub(measured_from),
            _ => tally.last_ended_at.saturating_sub(measured_from),
        }
    }
}
