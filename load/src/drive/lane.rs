//! One thread of a load: its connections, each driven by the task that asks over it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use super::field::{Field, Turn};
use super::plan::{Plan, PlanError};
use super::read::{Asked, Read};
use super::tally::{Outcome, Tally};
use crate::connection::{Connection, RequestError};

/// How many connections of a thread are opened at the same time: a server has only so much room for those it has not
/// accepted yet.
const OPENING_AT_ONCE: usize = 256;

/// The timer of the runtime wakes up to this much late. A member whose connection was free waits for the timer and
/// not for the server, and so this much is not counted against it.
const TIMER_GRAIN: Duration = Duration::from_millis(1);

/// What the lanes of one thread write to. There is one thread, so that nobody ever waits for it.
struct Desk<R> {
    tally: Tally,
    reader: R,
}

struct Lane<R> {
    field: Arc<Field>,
    desk: Rc<RefCell<Desk<R>>>,
    connection: Connection,
    /// For the second of two clicks.
    second: Option<Connection>,
    begun: Instant,
}

/// Carries out the part of thread number `thread`.
pub(super) fn drive<R: Read>(field: &Arc<Field>, thread: usize, reader: R) -> Result<(Tally, R), PlanError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let desk = Rc::new(RefCell::new(Desk { tally: Tally::new(&field.plan), reader }));
    let opened = runtime.map_err(PlanError::Thread).and_then(|runtime| {
        let connections = runtime.block_on(open(&field.plan, thread))?;
        Ok((runtime, connections))
    });
    // Whatever happened: nobody may be left waiting at the line.
    let begun = field.begin();
    let (runtime, connections) = opened?;
    let lanes = LocalSet::new();
    for (connection, second) in connections {
        let lane = Lane { field: Arc::clone(field), desk: Rc::clone(&desk), connection, second, begun };
        lanes.spawn_local(lane.run());
    }
    runtime.block_on(lanes);
    let desk = Rc::into_inner(desk).ok_or(PlanError::Died)?.into_inner();
    Ok((desk.tally, desk.reader))
}

type Pair = (Connection, Option<Connection>);

/// The connections of one thread, all of them open unless the plan wants them late.
async fn open(plan: &Plan, thread: usize) -> Result<Vec<Pair>, PlanError> {
    let room = Arc::new(Semaphore::new(OPENING_AT_ONCE));
    let mut opening = JoinSet::new();
    for index in (thread..plan.connections).step_by(plan.threads) {
        let (room, late, twice) = (Arc::clone(&room), plan.connect_late, plan.twice);
        let make = |nth: usize| {
            let source = (!plan.sources.is_empty()).then(|| plan.sources[nth % plan.sources.len()]);
            Connection::new(plan.target.clone(), plan.request_timeout).with_source_address(source)
        };
        let (mut first, mut second) = (make(2 * index), twice.then(|| make(2 * index + 1)));
        opening.spawn(async move {
            let _place = room.acquire().await;
            if !late {
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
        let opened = opened.map_err(|_| PlanError::Died)?;
        open.push(opened.map_err(|source| PlanError::Unreachable {
            target: plan.target.clone(),
            connections: plan.connections,
            source,
        })?);
    }
    Ok(open)
}

impl<R: Read> Lane<R> {
    async fn run(mut self) {
        while let Some(turn) = self.field.turn(self.begun.elapsed()) {
            let meant = self.wait_for(turn).await;
            let Self { field, desk, connection, second, begun } = &mut self;
            let (field, desk, begun) = (&*field, &*desk, *begun);
            let click = async |connection: &mut Connection| {
                ask(field, desk, connection, turn.number, meant, begun).await;
            };
            match second {
                None => click(connection).await,
                Some(second) => {
                    tokio::join!(click(connection), click(second));
                }
            }
        }
    }

    /// Waits for the member's moment; gives from when their waiting counts.
    async fn wait_for(&self, turn: Turn) -> Duration {
        let Some(meant) = turn.meant else { return self.begun.elapsed() };
        if self.begun.elapsed() >= meant {
            return meant;
        }
        tokio::time::sleep_until((self.begun + meant).into()).await;
        counted_from(meant, self.begun.elapsed())
    }
}

/// From when a member's waiting counts who found a connection free and was woken at `woken`.
fn counted_from(meant: Duration, woken: Duration) -> Duration {
    woken.min(meant + TIMER_GRAIN)
}

async fn ask<R: Read>(
    field: &Field,
    desk: &RefCell<Desk<R>>,
    connection: &mut Connection,
    number: u64,
    meant: Duration,
    begun: Instant,
) {
    let coupon = (number % field.requests.len() as u64) as usize;
    let outcome = connection.send(field.requests[coupon].for_member(number)).await;
    let answered = begun.elapsed();
    let mut desk = desk.borrow_mut();
    let outcome = match &outcome {
        Ok(reply) => {
            let (coupon_id, member_prefix) = (&*field.plan.coupons[coupon], &*field.plan.member_prefix);
            desk.reader.read(&Asked { number, coupon, coupon_id, member_prefix, meant, answered }, reply)
        }
        Err(_) => Outcome::Unknown,
    };
    desk.tally.note(answered, answered.saturating_sub(meant), outcome);
    field.ended_one();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timers_grain_is_forgiven_and_no_more() {
        let ms = Duration::from_millis;
        let us = Duration::from_micros;
        assert_eq!(counted_from(ms(10), us(10_400)), us(10_400), "late by less than the grain");
        assert_eq!(counted_from(ms(10), ms(50)), ms(11), "the generator itself stood still");
    }
}
