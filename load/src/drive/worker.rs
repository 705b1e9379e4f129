//! One thread of a load: its connections, each driven by the task that sends requests over it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use super::plan::{Plan, PlanError};
use super::reader::{AnswerReader, RequestContext};
use super::state::{Arrival, LoadState};
use super::tally::{Outcome, Tally};
use crate::connection::{Connection, RequestError};

/// The number of connections that a thread opens at the same time. A server's backlog is limited.
const OPENING_MAX: usize = 256;

/// The runtime's timer wakes up to this much late. A request whose connection was free waits for the timer
/// and not for the server, so this much is not counted as latency.
const TIMER_RESOLUTION: Duration = Duration::from_millis(1);

/// Shared by the connections of one thread, so that it needs no lock.
struct ThreadResults<R> {
    tally: Tally,
    reader: R,
}

struct ConnectionLoop<R> {
    state: Arc<LoadState>,
    results: Rc<RefCell<ThreadResults<R>>>,
    connection: Connection,
    /// Carries the second request of a double click.
    second: Option<Connection>,
    started_at: Instant,
}

pub(super) fn run_thread<R: AnswerReader>(
    state: &Arc<LoadState>,
    thread: usize,
    reader: R,
) -> Result<(Tally, R), PlanError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let results = Rc::new(RefCell::new(ThreadResults { tally: Tally::new(&state.plan), reader }));
    let opened = runtime.map_err(PlanError::Thread).and_then(|runtime| {
        let connections = runtime.block_on(open(&state.plan, thread))?;
        Ok((runtime, connections))
    });
    // Also after an error: the other threads wait at the barrier.
    let started_at = state.wait_for_start();
    let (runtime, connections) = opened?;
    let loops = LocalSet::new();
    for (connection, second) in connections {
        let connection_loop = ConnectionLoop {
            state: Arc::clone(state),
            results: Rc::clone(&results),
            connection,
            second,
            started_at,
        };
        loops.spawn_local(connection_loop.run());
    }
    runtime.block_on(loops);
    let results = Rc::into_inner(results).ok_or(PlanError::ThreadPanicked)?.into_inner();
    Ok((results.tally, results.reader))
}

type Pair = (Connection, Option<Connection>);

/// Opens the connections of one thread, unless the plan wants them opened on demand.
async fn open(plan: &Plan, thread: usize) -> Result<Vec<Pair>, PlanError> {
    let permits = Arc::new(Semaphore::new(OPENING_MAX));
    let mut opening = JoinSet::new();
    for index in (thread..plan.connections).step_by(plan.threads) {
        let permits = Arc::clone(&permits);
        let connect_on_demand = plan.connect_on_demand;
        let make = |nth: usize| {
            let source = (!plan.sources.is_empty()).then(|| plan.sources[nth % plan.sources.len()]);
            Connection::new(plan.target.clone(), plan.request_timeout).with_source_address(source)
        };
        let mut first = make(2 * index);
        let mut second = plan.double_click.then(|| make(2 * index + 1));
        opening.spawn(async move {
            let _permit = permits.acquire().await;
            if !connect_on_demand {
                first.open().await?;
                if let Some(second) = &mut second {
                    second.open().await?;
                }
            }
            Ok::<_, RequestError>((first, second))
        });
    }
    let mut open = Vec::new();
    while let Some(opened) = opening.join_next().await {
        let opened = opened.map_err(|_| PlanError::ThreadPanicked)?;
        open.push(opened.map_err(|source| PlanError::Unreachable {
            target: plan.target.clone(),
            connections: plan.connections,
            source,
        })?);
    }
    Ok(open)
}

impl<R: AnswerReader> ConnectionLoop<R> {
    async fn run(mut self) {
        while let Some(arrival) = self.state.next_arrival(self.started_at.elapsed()) {
            let due = self.wait_for(arrival).await;
            let Self { state, results, connection, second, started_at } = &mut self;
            let state = &*state;
            let results = &*results;
            let started_at = *started_at;
            let click = async |connection: &mut Connection| {
                send_request(state, results, connection, arrival.number, due, started_at).await;
            };
            match second {
                None => click(connection).await,
                Some(second) => {
                    tokio::join!(click(connection), click(second));
                }
            }
        }
    }

    /// Waits until the request is due. Returns the time from which its latency counts.
    async fn wait_for(&self, arrival: Arrival) -> Duration {
        let Some(due) = arrival.due else { return self.started_at.elapsed() };
        if self.started_at.elapsed() >= due {
            return due;
        }
        tokio::time::sleep_until((self.started_at + due).into()).await;
        latency_start(due, self.started_at.elapsed())
    }
}

/// The start of the latency of a request that found a connection free and was woken at `woken_at`.
fn latency_start(due: Duration, woken_at: Duration) -> Duration {
    woken_at.min(due + TIMER_RESOLUTION)
}

async fn send_request<R: AnswerReader>(
    state: &LoadState,
    results: &RefCell<ThreadResults<R>>,
    connection: &mut Connection,
    number: u64,
    due: Duration,
    started_at: Instant,
) {
    let coupon = (number % state.requests.len() as u64) as usize;
    let outcome = connection.send(state.requests[coupon].for_member(number)).await;
    let answered = started_at.elapsed();
    let mut results = results.borrow_mut();
    let outcome = match &outcome {
        Ok(reply) => {
            let (coupon_id, member_prefix) = (&*state.plan.coupons[coupon], &*state.plan.member_prefix);
            results
                .reader
                .read(&RequestContext { number, coupon, coupon_id, member_prefix, due, answered }, reply)
        }
        Err(_) => Outcome::Unknown,
    };
    results.tally.record(answered, answered.saturating_sub(due), outcome);
    state.count_ended();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_excludes_the_timers_delay_up_to_its_resolution() {
        let ms = Duration::from_millis;
        let us = Duration::from_micros;
        assert_eq!(latency_start(ms(10), us(10_400)), us(10_400), "late by less than the resolution");
        assert_eq!(latency_start(ms(10), ms(50)), ms(11), "the generator itself stalled");
    }
}
