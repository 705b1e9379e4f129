//! Generates load: sends requests at the times of a plan over many connections, and counts the answers and
//! when they come.
//!
//! It must be cheap, because it often shares its processors with the service that it measures. So each thread
//! has a runtime of its own, on which the task that sends a request also drives the connection. Each thread
//! counts for itself, and the counts are added up at the end. Nothing is drawn, written or judged during a
//! load, apart from reading the answers.

mod plan;
mod reader;
mod schedule;
mod state;
mod tally;
mod worker;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub use self::plan::{Arrivals, Plan, PlanError};
pub use self::reader::{AnswerReader, FullReader, StatusReader};
pub use self::schedule::{Schedule, Stage};
pub use self::tally::{Counts, Outcome, Slice, Tally};

use self::state::LoadState;
use crate::progress::INTERVAL;

/// The progress of a load.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadProgress {
    /// Since the load began; zero while connections are being opened.
    pub elapsed: Duration,
    pub ended: u64,
    /// The number of members that have begun.
    pub members: u64,
}

/// Generates the load and returns after the last answer. Calls `watch` repeatedly; `stop` ends the load
/// early.
///
/// `reader` creates a reader for each thread; the readers are returned.
pub async fn run<R: AnswerReader>(
    plan: Plan,
    reader: impl Fn() -> R,
    watch: impl Fn(LoadProgress),
    stop: impl Future<Output = ()>,
) -> Result<(Tally, Vec<R>), PlanError> {
    plan.validate()?;
    let state = Arc::new(LoadState::new(plan)?);
    let (sender, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let mut threads = Vec::new();
    for thread in 0..state.plan.threads {
        let state = Arc::clone(&state);
        let reader = reader();
        let sender = sender.clone();
        let name = format!("load-{thread}");
        let body = move || {
            // The receiver is gone only if the whole load was dropped.
            let _receiver_gone = sender.send(worker::run_thread(&state, thread, reader));
        };
        threads.push(thread::Builder::new().name(name).spawn(body).map_err(PlanError::Thread)?);
    }
    drop(sender);
    let mut stop = std::pin::pin!(stop);
    let mut tick = tokio::time::interval(INTERVAL);
    let mut tally = Tally::new(&state.plan);
    let mut readers = Vec::new();
    while readers.len() < threads.len() {
        tokio::select! {
            result = ended.recv() => {
                let (part, reader) = result.ok_or(PlanError::ThreadPanicked)??;
                tally.merge(&part);
                readers.push(reader);
            }
            () = &mut stop, if !state.is_stopped() => state.stop(),
            _ = tick.tick() => watch(state.progress()),
        }
    }
    tally.measured_duration = state.measured_duration(&tally);
    Ok((tally, readers))
}
