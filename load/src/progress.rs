//! Shows the progress of a race or a load while it runs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::format::thousands;

/// The time between two updates.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// The progress of a race.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub members: u64,
    /// Members whose clicks have ended, with or without a coupon.
    pub members_done: u64,
    pub requests: u64,
    /// The number of 201 answers.
    pub holders: u64,
    pub elapsed: Duration,
}

impl Snapshot {
    /// Since the start.
    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Receives a [`Snapshot`] every [`INTERVAL`], and once more at the end of the race.
pub trait Progress: Send + Sync {
    fn show(&self, now: &Snapshot);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn show(&self, _now: &Snapshot) {}
}

/// A progress bar on standard error, which draws nothing where that is no terminal.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    pub fn new(members: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(members), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{elapsed:>4} {bar:24} {percent:>3}%  {msg}, {eta} to go");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ "));
        Self(bar)
    }

    /// Removes the bar, so that the next output begins on a clean line.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// A progress bar for a load of a known duration, on standard error; it draws nothing where that is no
/// terminal.
#[derive(Debug)]
pub struct TimedBar(ProgressBar);

impl TimedBar {
    pub fn new(lasts: Duration) -> Self {
        let bar = ProgressBar::with_draw_target(Some(ms(lasts)), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{elapsed:>4} {bar:24} {percent:>3}%  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ "));
        Self(bar)
    }

    pub fn show(&self, elapsed: Duration, requests: u64) {
        let per_second = requests as f64 / elapsed.as_secs_f64().max(1e-3);
        self.0.set_message(format!("{} requests, {}/s", thousands(requests), thousands(per_second as u64)));
        self.0.set_position(ms(elapsed));
    }

    /// Removes the bar, so that the next output begins on a clean line.
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
            "{} requests, {}/s, {} holders",
            thousands(now.requests),
            thousands(now.requests_per_second() as u64),
            thousands(now.holders)
        ));
        self.0.set_position(now.members_done);
    }
}
