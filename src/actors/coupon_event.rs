//! CouponEventActor: one a coupon on each node. It queues requests in order of arrival, keeps one batch in flight and
//! sends the next when the answer is back.
//!
//! It holds no truth: that lives in the engine. When it dies, whoever waits asks its successor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use super::answer::AskError;
use super::batch::{Ask, BatchQueue};
use super::contain::{Contained, contain_async};
use super::fail_point;
use super::handle::{CouponHandle, here_now};
use super::publisher::PublisherInbox;
use super::supervisor::{Child, DeathNote};
use crate::gate::Passage;
use crate::ports::{AdmissionEngine, AdmissionRequest, BatchAnswer, EngineError, OutboxEntry, Verdict};
use crate::telemetry::Metrics;

/// The actor's kind in metrics and lists.
const KIND: &str = "coupon-event";
/// How often those whose time is up are answered.
const EXPIRY_ROUND: Duration = Duration::from_millis(250);
/// Messages other than requests that must always find room in the mailbox.
const MAILBOX_MARGIN: usize = 64;

/// What the actor works with.
#[derive(Clone)]
pub(super) struct Admission {
    pub(super) handle: Arc<CouponHandle>,
    pub(super) engine: Arc<dyn AdmissionEngine>,
    pub(super) publisher: Option<PublisherInbox>,
    pub(super) metrics: Arc<Metrics>,
    /// How long the engine may take for one step.
    pub(super) engine_timeout: Duration,
}

/// Serialises and batches the requests for one coupon.
pub struct CouponEventActor {
    admission: Admission,
    queue: BatchQueue,
    /// Which change of the gate everybody in the queue has been judged by.
    judged_at: u64,
    note: DeathNote,
}

impl CouponEventActor {
    /// The gate may have been halted since they were let in. Once for each change of the gate is enough, and all that a
    /// long queue can bear.
    fn turn_away(&mut self) {
        let gate = self.admission.handle.gate();
        let changes = gate.changes();
        if std::mem::replace(&mut self.judged_at, changes) != changes && gate.halted().is_some() {
            let now = here_now();
            self.queue.turn_away(|member| match gate.judge(member, now) {
                Passage::Reject(rejection) => Some(rejection),
                Passage::Ask | Passage::Recovering => None,
            });
        }
    }

    fn pump(&mut self, ctx: &Context<Self>) {
        self.turn_away();
        let Some(batch) = self.queue.next_batch() else { return };
        let (admission, actor) = (self.admission.clone(), ctx.address());
        // The batch owns its askers and answers them even if the actor dies meanwhile.
        actix::spawn(async move {
            if let Err(why) = contain_async(admission.run(batch)).await {
                admission.metrics.actor_panicked(KIND);
                tracing::error!(coupon = %admission.handle.id(), %why, "a batch failed; its members ask again");
            }
            // A dead actor needs no word: its successor begins with an empty queue.
            let _dead = actor.send(BatchDone).await;
        });
    }
}

impl Admission {
    async fn run(&self, batch: Vec<Ask>) {
        fail_point::visit(KIND, "batch");
        let mut askers = Vec::with_capacity(batch.len());
        let mut requests = Vec::with_capacity(batch.len());
        for Ask { member, traceparent, reply, permit, .. } in batch {
            requests.push(AdmissionRequest { member, traceparent });
            askers.push((reply, permit));
        }
        self.metrics.batch_size.observe(as_f64(requests.len()));
        let begun = Instant::now();
        let step = self.engine.admit(self.handle.id(), &requests);
        let answer = tokio::time::timeout(self.engine_timeout, step).await;
        self.metrics.engine_seconds.observe(begun.elapsed().as_secs_f64());
        let answer = answer.unwrap_or_else(|_| Err(EngineError::Unavailable("no answer in time".into())));
        match answer {
            Ok(answer) => {
                // Before anybody is told, so that who asks next how the coupon stands is not shown it without them.
                self.handle.note(answer.standing);
                for ((reply, _permit), verdict) in askers.into_iter().zip(&answer.verdicts) {
                    let _gone = reply.send(Ok(*verdict));
                }
                self.publish(requests, &answer);
            }
            Err(error) => {
                let told = self.failed(&error);
                for (reply, _permit) in askers {
                    let _gone = reply.send(Err(told));
                }
            }
        }
    }

    fn publish(&self, requests: Vec<AdmissionRequest>, answer: &BatchAnswer) {
        let Some(publisher) = &self.publisher else { return };
        let issued =
            requests.into_iter().zip(&answer.verdicts).filter_map(|(request, verdict)| match verdict {
                Verdict::Issued(grant) => Some(OutboxEntry {
                    member: request.member,
                    grant: *grant,
                    traceparent: request.traceparent,
                }),
                Verdict::Again(_) | Verdict::Rejected(_) => None,
            });
        let issued: Vec<OutboxEntry> = issued.collect();
        if !issued.is_empty() {
            publisher.offer(&self.handle, issued);
        }
    }

    fn failed(&self, error: &EngineError) -> AskError {
        let coupon = self.handle.id();
        match error {
            EngineError::Fenced(why) => {
                tracing::warn!(%coupon, %why, "the engine is fenced; the gate closes until it is verified");
                self.handle.fenced();
                AskError::Recovering
            }
            EngineError::UnknownCoupon => {
                tracing::error!(%coupon, "the engine no longer knows the coupon; the gate closes");
                self.handle.fenced();
                AskError::Recovering
            }
            EngineError::Unavailable(_) => {
                tracing::warn!(%coupon, %error, "a batch has no answer; its members are told to ask again");
                AskError::Unknown
            }
            EngineError::Corrupt(_) => {
                tracing::error!(%coupon, %error, "a batch has no answer");
                AskError::Unknown
            }
        }
    }
}

/// A batch has at most 256 members, which any float holds exactly.
fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl Contained for CouponEventActor {
    fn failed(&mut self, why: String) {
        // Whatever panics here gets past the containment: only the supervisor is left to notice.
        fail_point::visit(KIND, "failed");
        self.note.because(why);
    }
}

impl Actor for CouponEventActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.contained(ctx, |actor, ctx| {
            fail_point::visit(KIND, "started");
            // The gate is read anew from the engine after every start, in case this actor's forerunner missed it.
            actor.admission.handle.look_again();
            ctx.run_interval(EXPIRY_ROUND, |actor, ctx| {
                actor.contained(ctx, |actor, _| {
                    fail_point::visit(KIND, "timer");
                    actor.queue.expire(Instant::now());
                });
            });
        });
    }
}

/// Asks for a coupon.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct IssueCoupon(pub(super) Ask);

impl Handler<IssueCoupon> for CouponEventActor {
    type Result = ();

    fn handle(&mut self, IssueCoupon(ask): IssueCoupon, ctx: &mut Context<Self>) {
        self.contained(ctx, |actor, ctx| {
            fail_point::visit(KIND, "handler");
            actor.queue.push(ask);
            actor.pump(ctx);
        });
    }
}

/// The batch in flight is over.
#[derive(Message)]
#[rtype(result = "()")]
struct BatchDone;

impl Handler<BatchDone> for CouponEventActor {
    type Result = ();

    fn handle(&mut self, BatchDone: BatchDone, ctx: &mut Context<Self>) {
        self.contained(ctx, |actor, ctx| {
            actor.queue.batch_done();
            actor.pump(ctx);
        });
    }
}

/// Makes the actor of one coupon.
pub(super) struct CouponEventChild {
    pub(super) admission: Admission,
    pub(super) arbiter: ArbiterHandle,
    pub(super) queue_limit: usize,
}

impl Child for CouponEventChild {
    fn name(&self) -> String {
        format!("{KIND}/{}", self.admission.handle.id())
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn start(&self, note: DeathNote) {
        let admission = self.admission.clone();
        let capacity = self.queue_limit.saturating_add(MAILBOX_MARGIN);
        let address = CouponEventActor::start_in_arbiter(&self.arbiter, move |ctx| {
            ctx.set_mailbox_capacity(capacity);
            CouponEventActor { admission, queue: BatchQueue::default(), judged_at: 0, note }
        });
        self.admission.handle.set_address(address);
    }

    fn is_alive(&self) -> bool {
        self.admission.handle.is_alive()
    }

    fn waiting(&self) -> usize {
        self.admission.handle.waiting(self.queue_limit)
    }
}
