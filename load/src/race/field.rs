//! What the runners of a race share, and the runner itself: it takes the next member until there is none.

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
    click::{Click, Tab},
    tally::Tally,
};
use crate::{api::IssueRequests, progress::Snapshot};

/// Everything shared. The counters are for the watcher only, so that relaxed order will do.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) config: RaceConfig,
    pub(super) issue: IssueRequests,
    pub(super) requests: AtomicU64,
    pub(super) winners: AtomicU64,
    next_member: AtomicU64,
    members_done: AtomicU64,
    /// Nobody asks before everybody is connected: otherwise the first would race against an idle server, and those who
    /// come last would measure how fast it accepts connections.
    starting_line: Barrier,
    started: OnceLock<Instant>,
    stopped: AtomicBool,
}

impl Field {
    pub(super) fn new(config: RaceConfig) -> Result<Self, hyper::http::Error> {
        let issue = IssueRequests::new(&config.target, &config.coupon_id, &config.member_prefix)?;
        Ok(Self {
            starting_line: Barrier::new(config.clients),
            config,
            issue,
            requests: AtomicU64::new(0),
            winners: AtomicU64::new(0),
            next_member: AtomicU64::new(0),
            members_done: AtomicU64::new(0),
            started: OnceLock::new(),
            stopped: AtomicBool::new(false),
        })
    }

    /// Nobody starts or asks again from here on.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    async fn start_together(&self) {
        self.starting_line.wait().await;
        self.started.get_or_init(Instant::now);
    }

    /// Since the start: zero while the clients are still connecting.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    pub(super) fn elapsed_us(&self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            members: self.config.members,
            members_done: self.members_done.load(Relaxed),
            requests: self.requests.load(Relaxed),
            winners: self.winners.load(Relaxed),
            elapsed: self.elapsed(),
        }
    }

    fn take_member(&self) -> Option<u64> {
        let number = self.next_member.fetch_add(1, Relaxed);
        (number < self.config.members && !self.is_stopped()).then_some(number)
    }
}

/// One client: a browser with two tabs, the second of which is for double clicks.
#[derive(Debug)]
pub(super) struct Runner {
    field: Arc<Field>,
    tab: Tab,
    second: Tab,
}

impl Runner {
    pub(super) fn new(field: Arc<Field>, index: usize) -> Self {
        let tab = |seed: usize| Tab::new(&field.config, seed as u64);
        Self { tab: tab(2 * index), second: tab(2 * index + 1), field }
    }

    pub(super) async fn run(mut self) -> Tally {
        if self.field.config.double_click > 0.0 {
            tokio::join!(self.tab.open(), self.second.open());
        } else {
            self.tab.open().await;
        }
        self.field.start_together().await;
        while let Some(number) = self.field.take_member() {
            self.serve(number).await;
            self.field.members_done.fetch_add(1, Relaxed);
        }
        let mut tally = self.tab.tally;
        tally.merge(self.second.tally);
        tally
    }

    async fn serve(&mut self, number: u64) {
        let Self { field, tab, second } = self;
        let requested_us = field.elapsed_us();
        let answers = if field.config.clicks_twice(number) {
            let (first, second) = tokio::join!(
                tab.click(field, number, requested_us),
                second.click(field, number, requested_us)
            );
            [first, second]
        } else {
            let only = tab.click(field, number, requested_us).await;
            [only, only]
        };
        match answers {
            [Click::GaveUp, Click::GaveUp] => tab.tally.gave_up += 1,
            [Click::Issued, Click::SoldOut] | [Click::SoldOut, Click::Issued] => tab.tally.unexpected(|| {
                format!(
                    "member {}{number} was told sold_out although they hold a coupon",
                    field.config.member_prefix
                )
            }),
            _ => {}
        }
    }
}
