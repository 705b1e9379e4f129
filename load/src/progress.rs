//! How a race is watched while it runs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::format::thousands;

/// How often a watcher is told.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// Where a race is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// How many members there are in all.
    pub members: u64,
    /// How many of them have been served, one way or the other.
    pub members_done: u64,
    /// How many requests were sent.
    pub requests: u64,
    /// How many coupons were issued: 201 answers.
    pub winners: u64,
    /// For how long the race has been running.
    pub elapsed: Duration,
}

impl Snapshot {
    /// Requests a second since the start.
    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Somebody who watches. It is called every [`INTERVAL`], and once more when the race is over.
pub trait Progress: Send + Sync {
    /// The race is here.
    fn show(&self, now: &Snapshot);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn show(&self, _now: &Snapshot) {}
}

/// A bar on standard error, which draws nothing where that is no terminal.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar for so many members.
    pub fn new(members: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(members), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{elapsed:>4} {bar:24} {percent:>3}%  {msg}, {eta} to go");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ "));
        Self(bar)
    }

    /// Takes the bar away, so that what follows begins on a clean line.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// A bar for a load that lasts a known time, on standard error; it draws nothing where that is no terminal.
#[derive(Debug)]
pub struct Clock(ProgressBar);

impl Clock {
    /// A bar for a load that takes so long.
    pub fn new(lasts: Duration) -> Self {
        let bar = ProgressBar::with_draw_target(Some(ms(lasts)), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{elapsed:>4} {bar:24} {percent:>3}%  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ "));
        Self(bar)
    }

    /// So many requests have ended, so long after the beginning.
    pub fn show(&self, elapsed: Duration, requests: u64) {
        let per_second = requests as f64 / elapsed.as_secs_f64().max(1e-3);
        self.0.set_message(format!("{} requests, {}/s", thousands(requests), thousands(per_second as u64)));
        self.0.set_position(ms(elapsed));
    }

    /// Takes the bar away, so that what follows begins on a clean line.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Progress for Bar {
    fn show(&self, now: &Snapshot) {
        self.0.set_message(format!(
            "{} requests, {}/s, {} winners",
            thousands(now.requests),
            thousands(now.requests_per_second() as u64),
            thousands(now.winners)
        ));
        self.0.set_position(now.members_done);
    }
}
