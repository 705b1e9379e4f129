//! The load itself: asks at the moments of a plan over many connections, and counts what comes back and when.
//!
//! It has to be cheap, because it often shares its processors with what it measures. So each thread has a runtime of
//! its own, on which a connection is driven by the task that asks; what is counted is counted by thread and added up at
//! the end; and nothing is drawn, written or judged while the load lasts, apart from reading the answer.

mod field;
mod lane;
mod plan;
mod read;
mod schedule;
mod tally;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub use self::plan::{Arrivals, Plan, PlanError};
pub use self::read::{Read, Remember, StatusOnly};
pub use self::schedule::{Schedule, Stage};
pub use self::tally::{Counts, Outcome, Slice, Tally};

use self::field::Field;
use crate::progress::INTERVAL;

/// Where a load is, for whoever watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// Since the load began; zero while the connections are being opened.
    pub elapsed: Duration,
    /// Requests that have ended, one way or the other.
    pub ended: u64,
    /// How many members have been called up so far.
    pub members: u64,
}

/// Puts the load on and returns when the last answer is there. `watch` is called now and then, and `stop` ends it early.
///
/// Each thread makes a reader of its own by `reader`; they are returned with what they have read.
///
/// # Errors
/// [`PlanError`] says what is wrong with the plan, or why it could not be carried out.
pub async fn run<R: Read>(
    plan: Plan,
    reader: impl Fn() -> R,
    watch: impl Fn(Standing),
    stop: impl Future<Output = ()>,
) -> Result<(Tally, Vec<R>), PlanError> {
    plan.check()?;
    let field = Arc::new(Field::new(plan)?);
    let (sender, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let mut threads = Vec::new();
    for thread in 0..field.plan.threads {
        let (field, reader, sender) = (Arc::clone(&field), reader(), sender.clone());
        let name = format!("load-{thread}");
        let body = move || {
            // Whoever waits has gone only if the whole load has been given up.
            let _nobody_waits = sender.send(lane::drive(&field, thread, reader));
        };
        threads.push(thread::Builder::new().name(name).spawn(body).map_err(PlanError::Thread)?);
    }
    drop(sender);
    let mut stop = std::pin::pin!(stop);
    let mut tick = tokio::time::interval(INTERVAL);
    let (mut tally, mut readers) = (Tally::new(&field.plan), Vec::new());
    while readers.len() < threads.len() {
        tokio::select! {
            done = ended.recv() => {
                let (part, reader) = done.ok_or(PlanError::Died)??;
                tally.merge(&part);
                readers.push(reader);
            }
            () = &mut stop, if !field.is_stopped() => field.stop(),
            _ = tick.tick() => watch(field.standing()),
        }
    }
    tally.ran = field.ran(&tally);
    Ok((tally, readers))
}
