//! The state that the clients of a race share, and a client, which takes the next member until there are no
//! more.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::Barrier;

use super::{
    RaceConfig,
    click::{ClickOutcome, ClientConnection},
    tally::Tally,
};
use crate::{api::IssueRequests, progress::Snapshot};

/// The counters are only shown as progress, so relaxed ordering is enough.
#[derive(Debug)]
pub(super) struct RaceState {
    pub(super) config: RaceConfig,
    pub(super) issue: IssueRequests,
    pub(super) requests: AtomicU64,
    pub(super) holders: AtomicU64,
    next_member: AtomicU64,
    members_done: AtomicU64,
    /// No request is sent before all clients are connected. Otherwise the first would meet an idle server,
    /// and the last would measure how fast it accepts connections.
    start_barrier: Barrier,
    started_at: OnceLock<Instant>,
    stopped: AtomicBool,
}

impl RaceState {
    pub(super) fn new(config: RaceConfig) -> Result<Self, hyper::http::Error> {
        let issue = IssueRequests::new(&config.target, &config.coupon_id, &config.member_prefix)?;
        Ok(Self {
            start_barrier: Barrier::new(config.clients),
            config,
            issue,
            requests: AtomicU64::new(0),
            holders: AtomicU64::new(0),
            next_member: AtomicU64::new(0),
            members_done: AtomicU64::new(0),
            started_at: OnceLock::new(),
            stopped: AtomicBool::new(false),
        })
    }

    /// From here on, no member starts and no request is repeated.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    async fn start_together(&self) {
        self.start_barrier.wait().await;
        self.started_at.get_or_init(Instant::now);
    }

    /// Since the start; zero while clients are connecting.
    pub(super) fn elapsed(&self) -> Duration {
        self.started_at.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    pub(super) fn elapsed_us(&self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            members: self.config.members,
            members_done: self.members_done.load(Relaxed),
            requests: self.requests.load(Relaxed),
            holders: self.holders.load(Relaxed),
            elapsed: self.elapsed(),
        }
    }

    fn take_member(&self) -> Option<u64> {
        let number = self.next_member.fetch_add(1, Relaxed);
        (number < self.config.members && !self.is_stopped()).then_some(number)
    }
}

/// One client, with a second connection for double clicks.
#[derive(Debug)]
pub(super) struct Client {
    state: Arc<RaceState>,
    first: ClientConnection,
    second: ClientConnection,
}

impl Client {
    pub(super) fn new(state: Arc<RaceState>, index: usize) -> Self {
        let first = |seed: usize| ClientConnection::new(&state.config, seed as u64);
        Self { first: first(2 * index), second: first(2 * index + 1), state }
    }

    pub(super) async fn run(mut self) -> Tally {
        if self.state.config.double_click > 0.0 {
            tokio::join!(self.first.open(), self.second.open());
        } else {
            self.first.open().await;
        }
        self.state.start_together().await;
        while let Some(number) = self.state.take_member() {
            self.run_member(number).await;
            self.state.members_done.fetch_add(1, Relaxed);
        }
        let mut tally = self.first.tally;
        tally.merge(self.second.tally);
        tally
    }

    async fn run_member(&mut self, number: u64) {
        let Self { state, first, second } = self;
        let requested_us = state.elapsed_us();
        let outcomes = if state.config.clicks_twice(number) {
            let (first, second) = tokio::join!(
                first.click(state, number, requested_us),
                second.click(state, number, requested_us)
            );
            [first, second]
        } else {
            let only = first.click(state, number, requested_us).await;
            [only, only]
        };
        match outcomes {
            [ClickOutcome::GaveUp, ClickOutcome::GaveUp] => first.tally.gave_up += 1,
            [ClickOutcome::Issued, ClickOutcome::SoldOut] | [ClickOutcome::SoldOut, ClickOutcome::Issued] => {
                first.tally.count_unexpected(|| {
                    format!(
                        "member {}{number} got sold_out although it holds a coupon",
                        state.config.member_prefix
                    )
                });
            }
            _ => {}
        }
    }
}
