//! PublisherActor: sends issuances to the broker as they are decided, a window at a time, and notes what was confirmed.
//!
//! It may forget: whatever it has not seen confirmed is still in the outbox, and the sweep offers it again.

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
/// Events in one window: large enough that the broker's flush is shared, small enough to be retried as a whole.
pub(crate) const PUBLISH_BATCH_MAX: usize = 1_024;
/// How long a window waits for company while nobody waits for it: a message, a flush of the broker and an insert cost much
/// the same for one issuance as for a hundred.
const LINGER: Duration = Duration::from_millis(25);
/// Events at hand; what comes beyond is left to the sweep.
const QUEUE_MAX: usize = 65_536;
/// Batches that may wait in the mailbox.
const MAILBOX: usize = 1_024;

/// One event on its way: the coupon knows how to derive the code.
type Waiting = (Arc<Coupon>, OutboxEntry);

/// Publishes what it is offered.
pub struct PublisherActor {
    inbox: PublisherInbox,
    /// What this life has at hand.
    at_hand: Arc<AtomicUsize>,
    bus: Arc<dyn EventBus>,
    metrics: Arc<Metrics>,
    waiting: VecDeque<Waiting>,
    in_flight: bool,
    /// Whether a window waits for company.
    lingering: bool,
    retry: Retry,
    note: ExitNotice,
}

impl PublisherActor {
    /// What the supervisor needs to keep a publisher alive on `arbiter`.
    #[must_use]
    pub fn child(
        inbox: PublisherInbox,
        bus: Arc<dyn EventBus>,
        metrics: Arc<Metrics>,
        arbiter: ArbiterHandle,
    ) -> impl Child {
        PublisherChild { inbox, bus, metrics, arbiter }
    }

    /// Sends the next window, now if it is full or somebody waits for it, and otherwise soon.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if self.in_flight || self.waiting.is_empty() {
            return;
        }
        if is_due(self.waiting.len(), self.inbox.acks.is_waited_on()) {
            self.send_window(ctx);
        } else if !std::mem::replace(&mut self.lingering, true) {
            ctx.run_later(LINGER, |actor, ctx| {
                actor.guarded(ctx, |actor, ctx| {
                    actor.lingering = false;
                    if !actor.in_flight && !actor.waiting.is_empty() {
                        actor.send_window(ctx);
                    }
                });
            });
        }
    }

    fn send_window(&mut self, ctx: &Context<Self>) {
        self.in_flight = true;
        let window: Vec<Waiting> = self.waiting.drain(..self.waiting.len().min(PUBLISH_BATCH_MAX)).collect();
        let (bus, metrics, actor) = (Arc::clone(&self.bus), Arc::clone(&self.metrics), ctx.address());
        actix::spawn(async move {
            let sent = catch_panic_async(send(&*bus, &window)).await.unwrap_or_else(|why| {
                metrics.actor_panicked(KIND);
                Err(why)
            });
            // A dead actor needs no word: what it had at hand is still in the outbox.
            let _dead = actor.send(WindowDone { window, sent }).await;
        });
    }

    fn window_done(&mut self, done: WindowDone, ctx: &mut Context<Self>) {
        self.in_flight = false;
        match done.sent {
            Ok(()) => {
                self.retry.reset();
                if self.inbox.failing.swap(false, Ordering::AcqRel) {
                    tracing::info!("the broker confirms again");
                }
                self.metrics.published.inc_by(done.window.len() as u64);
                for (coupon, entry) in &done.window {
                    let sequence = entry.grant.sequence;
                    // In this order: whoever comes after the second looks into the first.
                    self.inbox.confirmed.add(&coupon.id, sequence);
                    self.inbox.acks.reached(&coupon.id, AckLevel::Queued, [(sequence, &entry.member)]);
                }
                self.at_hand.fetch_sub(done.window.len(), Ordering::AcqRel);
                self.pump(ctx);
            }
            Err(why) => {
                let wait = self.retry.wait();
                self.metrics.publish_failures.inc();
                let (events, retry_in_ms) = (done.window.len(), wait.as_millis());
                if self.inbox.failing.swap(true, Ordering::AcqRel) {
                    tracing::debug!(error = %why, events, retry_in_ms, "a window was not confirmed");
                } else {
                    tracing::warn!(error = %why, events, "the broker does not confirm; events wait in the outbox meanwhile");
                }
                for waiting in done.window.into_iter().rev() {
                    self.waiting.push_front(waiting);
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

/// Whether a window of so many goes now, or may wait for company.
fn is_due(waiting: usize, is_waited_on: bool) -> bool {
    waiting >= PUBLISH_BATCH_MAX || is_waited_on
}

async fn send(bus: &dyn EventBus, window: &[Waiting]) -> Result<(), String> {
    panics::visit(KIND, "window");
    let events: Vec<CouponIssued> = window
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
    fn failed(&mut self, why: String) {
        self.note.set_reason(why);
    }
}

impl Actor for PublisherActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.guarded(ctx, |actor, ctx| {
            panics::visit(KIND, "started");
            stop_on_signal(&actor.note, ctx);
            // What the forerunner had at hand is left to the sweep.
            actor.inbox.failing.store(false, Ordering::Release);
        });
    }
}

/// Sends these to the broker.
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

/// A window is over.
#[derive(Message)]
#[rtype(result = "()")]
struct WindowDone {
    window: Vec<Waiting>,
    sent: Result<(), String>,
}

impl Handler<WindowDone> for PublisherActor {
    type Result = ();

    fn handle(&mut self, done: WindowDone, ctx: &mut Context<Self>) {
        self.guarded(ctx, |actor, ctx| actor.window_done(done, ctx));
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

    fn start(&self, note: ExitNotice) {
        let (inbox, bus, metrics) = (self.inbox.clone(), Arc::clone(&self.bus), Arc::clone(&self.metrics));
        let at_hand = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&at_hand);
        let address = PublisherActor::start_in_arbiter(&self.arbiter, move |ctx| {
            ctx.set_mailbox_capacity(MAILBOX);
            let (waiting, retry) = (VecDeque::new(), Retry::reconnect());
            PublisherActor {
                inbox,
                at_hand: counted,
                bus,
                metrics,
                waiting,
                in_flight: false,
                lingering: false,
                retry,
                note,
            }
        });
        self.inbox.current.store(Some(Arc::new(Current { address, at_hand })));
    }

    fn is_alive(&self) -> bool {
        self.inbox.current.load().as_deref().is_some_and(|current| current.address.connected())
    }

    fn waiting(&self) -> usize {
        self.inbox.at_hand()
    }

    fn on_abandoned(&self) {
        // The sweep offers nothing to nobody; everything waits in the outbox.
        self.inbox.failing.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::{PUBLISH_BATCH_MAX, is_due};
    use crate::actors::delivery::AckBoard;

    #[test]
    fn nobody_who_waits_is_kept_waiting_for_company() {
        let board = AckBoard::default();
        assert!(!is_due(PUBLISH_BATCH_MAX - 1, board.is_waited_on()));
        let (one, other) = (board.expect(), board.expect());
        assert!(is_due(1, board.is_waited_on()));
        drop(one);
        assert!(is_due(1, board.is_waited_on()));
        drop(other);
        assert!(!is_due(1, board.is_waited_on()));
    }

    #[test]
    fn a_full_window_waits_for_nothing() {
        assert!(is_due(PUBLISH_BATCH_MAX, false));
    }
}
