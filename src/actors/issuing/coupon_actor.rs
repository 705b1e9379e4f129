//! CouponEventActor: one a coupon on each node. It queues requests in order of arrival, keeps one batch in flight and
//! sends the next when the answer is back.
//!
//! It holds no truth: that lives in the engine. When it dies, whoever waits asks its successor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::answer::AskError;
use super::batch::{Ask, BatchQueue, IssueCoupon, Reply};
use super::handle::CouponHandle;
use crate::actors::delivery::PublisherInbox;
use crate::actors::runtime::catch_panic::{PanicBoundary, catch_panic_async};
use crate::actors::runtime::{Child, ExitNotice, stop_on_signal};
use crate::clock;
use crate::domain::{AdmissionRequest, Verdict};
use crate::fault_injection::abort;
use crate::fault_injection::panics;
use crate::gate::Passage;
use crate::ports::{AdmissionEngine, BatchAnswer, EngineError, OutboxEntry};
use crate::telemetry::{Metrics, TraceSpan, TraceSpanKind, run_as};

/// The actor's kind in metrics and lists.
const KIND: &str = "coupon-event";
/// How often those whose time is up are answered.
const EXPIRY_ROUND: Duration = Duration::from_millis(250);
/// Messages other than requests that must always find room in the mailbox.
const MAILBOX_MARGIN: usize = 64;

/// What the actor works with.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(crate) handle: Arc<CouponHandle>,
    pub(crate) engine: Arc<dyn AdmissionEngine>,
    pub(crate) publisher: Option<PublisherInbox>,
    pub(crate) metrics: Arc<Metrics>,
    /// How long the engine may take for one step.
    pub(crate) engine_timeout: Duration,
    /// Where batches run.
    pub(crate) runtime: Handle,
}

/// Serialises and batches the requests for one coupon.
pub struct CouponEventActor {
    admission: Admission,
    queue: BatchQueue,
    note: ExitNotice,
}

impl CouponEventActor {
    /// Begins a batch unless one is in flight. It runs on the node's own threads, so that the actor takes requests
    /// meanwhile, and its end comes back as a message.
    fn begin_batch(&mut self, ctx: &Context<Self>) {
        self.reject_by_gate();
        let Some(batch) = self.queue.next_batch() else { return };
        let (admission, actor) = (self.admission.clone(), ctx.address());
        self.admission.runtime.spawn(async move {
            admission.run_guarded(batch).await;
            // An actor that has died meanwhile has a successor with a queue of its own.
            let _died = actor.send(BatchDone).await;
        });
    }

    /// Answers queued members whom the gate rejects by now: it may have been halted since they were let in.
    fn reject_by_gate(&mut self) {
        let (gate, now) = (self.admission.handle.gate(), clock::now());
        self.queue.turn_away(gate.changes(), |member| match gate.judge(member, now) {
            Passage::Reject(rejection) => Some(rejection),
            Passage::Ask | Passage::Recovering => None,
        });
    }
}

/// The batch in flight has its answer.
#[derive(Message)]
#[rtype(result = "()")]
struct BatchDone;

impl Admission {
    /// Runs a batch, which owns its reply channels and so answers its members even if the actor has died.
    async fn run_guarded(&self, batch: Vec<Ask>) {
        if let Err(why) = catch_panic_async(self.run(batch)).await {
            self.metrics.actor_panicked(KIND);
            tracing::error!(coupon = %self.handle.id(), error = %why, "a batch failed; its members ask again");
        }
    }

    async fn run(&self, batch: Vec<Ask>) {
        panics::visit(KIND, "batch");
        let mut askers = Vec::with_capacity(batch.len());
        let mut requests = Vec::with_capacity(batch.len());
        for Ask { member, traceparent, reply, permit, .. } in batch {
            requests.push(AdmissionRequest { member, traceparent });
            askers.push((reply, permit));
        }
        let work = self.work_on(&requests);
        run_as(work.as_ref(), self.decide(askers, requests)).await;
    }

    /// The batch as part of the traces of its members.
    fn work_on(&self, requests: &[AdmissionRequest]) -> Option<TraceSpan> {
        let traces = requests.iter().filter_map(|request| request.traceparent.as_ref());
        let work = TraceSpan::for_all(TraceSpanKind::Internal, "admit batch", traces)?;
        work.note("openrun.coupon.id", self.handle.id().as_str().to_owned());
        work.note("openrun.engine", self.engine.name());
        work.note("openrun.batch.size", i64::try_from(requests.len()).unwrap_or(i64::MAX));
        Some(work)
    }

    async fn decide(
        &self,
        askers: Vec<(oneshot::Sender<Reply>, OwnedSemaphorePermit)>,
        requests: Vec<AdmissionRequest>,
    ) {
        self.metrics.batch_size.observe(as_f64(requests.len()));
        let begun = Instant::now();
        let step = self.engine.admit(self.handle.id(), &requests);
        let answer = tokio::time::timeout(self.engine_timeout, step).await;
        self.metrics.engine_seconds.observe(begun.elapsed().as_secs_f64());
        let answer = answer.unwrap_or_else(|_| Err(EngineError::Unavailable("no answer in time".into())));
        match answer {
            Ok(answer) => {
                abort::visit(abort::ADMITTED);
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
            publisher.offer(self.handle.coupon(), issued);
        }
    }

    fn failed(&self, error: &EngineError) -> AskError {
        if let Some(work) = TraceSpan::here() {
            work.failed("not_decided", &error.to_string());
        }
        let coupon = self.handle.id();
        match error {
            EngineError::Fenced(why) => {
                tracing::warn!(%coupon, error = %why, "the engine is fenced; the gate closes until it is verified");
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
            EngineError::Busy(_) => {
                tracing::warn!(%coupon, %error, "a batch was not decided; its members are told to ask again");
                AskError::Overloaded
            }
            EngineError::Corrupt(_) => {
                tracing::error!(%coupon, %error, "a batch has no answer");
                self.handle.refresh_now();
                AskError::Unknown
            }
        }
    }
}

/// A batch has at most 256 members, which any float holds exactly.
fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl PanicBoundary for CouponEventActor {
    fn failed(&mut self, why: String) {
        // Whatever panics here gets past the containment: only the supervisor is left to notice.
        panics::visit(KIND, "failed");
        self.note.because(why);
    }
}

impl Actor for CouponEventActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.guarded(ctx, |actor, ctx| {
            panics::visit(KIND, "started");
            // Those in its queue are answered by the batch under way; those in its mailbox ask its successor.
            stop_on_signal(&actor.note, ctx);
            // The gate is read anew from the engine after every start, in case this actor's forerunner missed it.
            actor.admission.handle.refresh_now();
            ctx.run_interval(EXPIRY_ROUND, |actor, ctx| {
                actor.guarded(ctx, |actor, _| {
                    panics::visit(KIND, "timer");
                    actor.queue.expire(Instant::now());
                });
            });
        });
    }
}

impl Handler<IssueCoupon> for CouponEventActor {
    type Result = ();

    fn handle(&mut self, IssueCoupon(ask): IssueCoupon, ctx: &mut Context<Self>) {
        self.guarded(ctx, |actor, ctx| {
            panics::visit(KIND, "handler");
            actor.queue.push(ask);
            actor.begin_batch(ctx);
        });
    }
}

impl Handler<BatchDone> for CouponEventActor {
    type Result = ();

    fn handle(&mut self, _: BatchDone, ctx: &mut Context<Self>) {
        self.guarded(ctx, |actor, ctx| {
            actor.queue.batch_done();
            actor.begin_batch(ctx);
        });
    }
}

/// Makes the actor of one coupon.
pub(crate) struct CouponEventChild {
    pub(crate) admission: Admission,
    pub(crate) arbiter: ArbiterHandle,
    pub(crate) queue_limit: usize,
}

impl Child for CouponEventChild {
    fn name(&self) -> String {
        format!("{KIND}/{}", self.admission.handle.id())
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn start(&self, note: ExitNotice) {
        let admission = self.admission.clone();
        let capacity = self.queue_limit.saturating_add(MAILBOX_MARGIN);
        let address = CouponEventActor::start_in_arbiter(&self.arbiter, move |ctx| {
            ctx.set_mailbox_capacity(capacity);
            CouponEventActor { admission, queue: BatchQueue::default(), note }
        });
        self.admission.handle.set_address(address.recipient());
    }

    fn is_alive(&self) -> bool {
        self.admission.handle.is_alive()
    }

    fn waiting(&self) -> usize {
        self.admission.handle.waiting(self.queue_limit)
    }

    fn on_abandoned(&self) {
        self.admission.handle.abandon();
    }
}
