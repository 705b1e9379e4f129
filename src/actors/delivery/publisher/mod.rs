//! PublisherActor: sends issuances to the broker as they are decided, one publish batch at a time, and records the
//! confirms.
//!
//! It may lose events: an unconfirmed event is still in the outbox, and the sweep publishes it again.

mod inbox;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::*;

use self::inbox::Current;
pub use self::inbox::PublisherInbox;
use crate::actors::runtime::catch_panic::{PanicBoundary, catch_panic_async};
use crate::actors::runtime::{Child, ExitNotice, stop_on_signal};
use crate::domain::{AckLevel, Coupon};
use crate::fault_injection::abort;
use crate::fault_injection::panics;
use crate::ports::{CouponIssued, EventBus, OutboxEntry};
use crate::retry::Retry;
use crate::telemetry::Metrics;

/// The actor's kind in metrics and lists.
const KIND: &str = "publisher";
/// Events in one publish batch: large enough to share the broker's flush, small enough to be retried as a whole.
pub(crate) const PUBLISH_BATCH_MAX: usize = 1_024;
/// Time for which a publish batch waits for more events while no request waits for an ack level: a message, a flush of the
/// broker and an insert cost about the same for one issuance as for a hundred.
const LINGER: Duration = Duration::from_millis(25);
/// Bound on pending events; further ones are left to the sweep.
const QUEUE_MAX: usize = 65_536;
/// Bound on `Publish` messages in the mailbox.
const MAILBOX: usize = 1_024;

/// An event before its code is derived, which takes the coupon.
type PendingEvent = (Arc<Coupon>, OutboxEntry);

pub struct PublisherActor {
    inbox: PublisherInbox,
    /// Pending events of this incarnation.
    pending: Arc<AtomicUsize>,
    bus: Arc<dyn EventBus>,
    metrics: Arc<Metrics>,
    waiting: VecDeque<PendingEvent>,
    in_flight: bool,
    /// Whether the timer of [`LINGER`] runs.
    lingering: bool,
    retry: Retry,
    exit: ExitNotice,
}

impl PublisherActor {
    #[must_use]
    pub fn child(
        inbox: PublisherInbox,
        bus: Arc<dyn EventBus>,
        metrics: Arc<Metrics>,
        arbiter: ArbiterHandle,
    ) -> impl Child {
        PublisherChild { inbox, bus, metrics, arbiter }
    }

    /// Sends the next publish batch: at once if it is full or a request waits for it, otherwise after [`LINGER`].
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if self.in_flight || self.waiting.is_empty() {
            return;
        }
        if is_due(self.waiting.len(), self.inbox.acks.is_waited_on()) {
            self.send_batch(ctx);
        } else if !std::mem::replace(&mut self.lingering, true) {
            ctx.run_later(LINGER, |actor, ctx| {
                actor.guarded(ctx, |actor, ctx| {
                    actor.lingering = false;
                    if !actor.in_flight && !actor.waiting.is_empty() {
                        actor.send_batch(ctx);
                    }
                });
            });
        }
    }

    fn send_batch(&mut self, ctx: &Context<Self>) {
        self.in_flight = true;
        let count = self.waiting.len().min(PUBLISH_BATCH_MAX);
        let batch: Vec<PendingEvent> = self.waiting.drain(..count).collect();
        let (bus, metrics, actor) = (Arc::clone(&self.bus), Arc::clone(&self.metrics), ctx.address());
        actix::spawn(async move {
            let result = catch_panic_async(send(&*bus, &batch)).await.unwrap_or_else(|message| {
                metrics.actor_panicked(KIND);
                Err(message)
            });
            // If the actor has died meanwhile, the sweep trims or publishes the events.
            let _actor_died = actor.send(BatchDone { batch, result }).await;
        });
    }

    fn batch_done(&mut self, BatchDone { batch, result }: BatchDone, ctx: &mut Context<Self>) {
        self.in_flight = false;
        match result {
            Ok(()) => {
                self.retry.reset();
                if self.inbox.failing.swap(false, Ordering::AcqRel) {
                    tracing::info!("the broker confirms again");
                }
                self.metrics.published.inc_by(batch.len() as u64);
                for (coupon, entry) in &batch {
                    let sequence = entry.grant.sequence;
                    // In this order: a request that registers on the board after its release finds the confirm.
                    self.inbox.confirmed.add(&coupon.id, sequence);
                    self.inbox.acks.release(&coupon.id, AckLevel::Queued, [(sequence, &entry.member)]);
                }
                self.pending.fetch_sub(batch.len(), Ordering::AcqRel);
                self.pump(ctx);
            }
            Err(error) => {
                let wait = self.retry.wait();
                self.metrics.publish_failures.inc();
                let (events, retry_in_ms) = (batch.len(), wait.as_millis());
                if self.inbox.failing.swap(true, Ordering::AcqRel) {
                    tracing::debug!(
                        error,
                        events,
                        retry_in_ms,
                        "a publish batch was not confirmed; retrying"
                    );
                } else {
                    tracing::warn!(
                        error,
                        events,
                        "the broker does not confirm: events stay in the outbox and are retried"
                    );
                }
                for event in batch.into_iter().rev() {
                    self.waiting.push_front(event);
                }
                self.pump_later(wait, ctx);
            }
        }
    }

    fn pump_later(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.in_flight = true;
        ctx.run_later(wait, |actor, ctx| {
            actor.guarded(ctx, |actor, ctx| {
                panics::visit(KIND, "timer");
                actor.in_flight = false;
                actor.pump(ctx);
            });
        });
    }
}

/// Whether a publish batch is sent now, rather than after [`LINGER`].
fn is_due(waiting: usize, is_waited_on: bool) -> bool {
    waiting >= PUBLISH_BATCH_MAX || is_waited_on
}

async fn send(bus: &dyn EventBus, batch: &[PendingEvent]) -> Result<(), String> {
    panics::visit(KIND, "batch");
    let events: Vec<CouponIssued> = batch
        .iter()
        .map(|(coupon, entry)| CouponIssued {
            issuance: coupon.issuance(&entry.member, entry.grant),
            traceparent: entry.traceparent.clone(),
        })
        .collect();
    bus.publish(&events).await.map_err(|error| error.to_string())?;
    abort::visit(abort::CONFIRMED);
    Ok(())
}

impl PanicBoundary for PublisherActor {
    fn failed(&mut self, reason: String) {
        self.exit.set_reason(reason);
    }
}

impl Actor for PublisherActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.guarded(ctx, |actor, ctx| {
            panics::visit(KIND, "started");
            stop_on_signal(&actor.exit, ctx);
            // The pending events of the previous incarnation are left to the sweep.
            actor.inbox.failing.store(false, Ordering::Release);
        });
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Publish {
    coupon: Arc<Coupon>,
    entries: Vec<OutboxEntry>,
}

impl Handler<Publish> for PublisherActor {
    type Result = ();

    fn handle(&mut self, Publish { coupon, entries }: Publish, ctx: &mut Context<Self>) {
        self.guarded(ctx, |actor, ctx| {
            panics::visit(KIND, "handler");
            actor.waiting.extend(entries.into_iter().map(|entry| (Arc::clone(&coupon), entry)));
            actor.pump(ctx);
        });
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct BatchDone {
    batch: Vec<PendingEvent>,
    result: Result<(), String>,
}

impl Handler<BatchDone> for PublisherActor {
    type Result = ();

    fn handle(&mut self, done: BatchDone, ctx: &mut Context<Self>) {
        self.guarded(ctx, |actor, ctx| actor.batch_done(done, ctx));
    }
}

struct PublisherChild {
    inbox: PublisherInbox,
    bus: Arc<dyn EventBus>,
    metrics: Arc<Metrics>,
    arbiter: ArbiterHandle,
}

impl Child for PublisherChild {
    fn name(&self) -> String {
        KIND.to_owned()
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn start(&self, exit: ExitNotice) {
        let pending = Arc::<AtomicUsize>::default();
        let actor = PublisherActor {
            inbox: self.inbox.clone(),
            pending: Arc::clone(&pending),
            bus: Arc::clone(&self.bus),
            metrics: Arc::clone(&self.metrics),
            waiting: VecDeque::new(),
            in_flight: false,
            lingering: false,
            retry: Retry::service(),
            exit,
        };
        let address = PublisherActor::start_in_arbiter(&self.arbiter, move |ctx| {
            ctx.set_mailbox_capacity(MAILBOX);
            actor
        });
        self.inbox.current.store(Some(Arc::new(Current { address, pending })));
    }

    fn is_alive(&self) -> bool {
        self.inbox.current.load().as_deref().is_some_and(|current| current.address.connected())
    }

    fn waiting(&self) -> usize {
        self.inbox.pending()
    }

    fn on_abandoned(&self) {
        // Keeps the sweep from offering events to a dead publisher; they stay in the outbox.
        self.inbox.failing.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::{PUBLISH_BATCH_MAX, is_due};
    use crate::actors::delivery::AckBoard;

    #[test]
    fn a_publish_batch_is_due_while_a_request_waits() {
        let board = AckBoard::default();
        assert!(!is_due(PUBLISH_BATCH_MAX - 1, board.is_waited_on()));
        let (first, second) = (board.expect(), board.expect());
        assert!(is_due(1, board.is_waited_on()));
        drop(first);
        assert!(is_due(1, board.is_waited_on()));
        drop(second);
        assert!(!is_due(1, board.is_waited_on()));
    }

    #[test]
    fn a_full_publish_batch_is_due() {
        assert!(is_due(PUBLISH_BATCH_MAX, false));
    }
}
