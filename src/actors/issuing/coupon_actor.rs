//! CouponEventActor: one for each coupon on each node. It queues requests in order of arrival and keeps one batch in
//! flight at a time.
//!
//! The truth is in the engine alone. When the actor dies, waiting requests are sent again to its replacement.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::answer::IssueError;
use super::batch::{BatchQueue, IssueCoupon, QueuedRequest, Reply};
use super::handle::CouponHandle;
use crate::actors::delivery::PublisherInbox;
use crate::actors::runtime::catch_panic::{PanicBoundary, catch_panic_async};
use crate::actors::runtime::deadline::bounded_by;
use crate::actors::runtime::{Child, ExitNotice, stop_on_signal};
use crate::clock;
use crate::domain::{AdmissionRequest, Verdict};
use crate::fault_injection::abort;
use crate::fault_injection::panics;
use crate::gate::Passage;
use crate::ports::{AdmissionEngine, BatchAnswer, EngineError, OutboxEntry};
use crate::telemetry::{Metrics, TraceSpan, TraceSpanKind, run_in};

/// The actor's kind in metrics and lists.
const KIND: &str = "coupon-event";
/// Interval at which requests past their deadline are answered.
const EXPIRY_ROUND: Duration = Duration::from_millis(250);
/// Room in the mailbox for messages other than requests.
const MAILBOX_MARGIN: usize = 64;

/// Runs the batches of one coupon against the engine.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(crate) handle: Arc<CouponHandle>,
    pub(crate) engine: Arc<dyn AdmissionEngine>,
    pub(crate) publisher: Option<PublisherInbox>,
    pub(crate) metrics: Arc<Metrics>,
    /// Bound on the engine's answer to one batch.
    pub(crate) engine_timeout: Duration,
    /// The node's own threads, on which batches run.
    pub(crate) runtime: Handle,
}

/// Serialises and batches the requests for one coupon.
pub struct CouponEventActor {
    admission: Admission,
    /// Shared with the batch in flight, which takes the next batch from it.
    queue: Arc<Mutex<BatchQueue>>,
    exit: ExitNotice,
}

impl CouponEventActor {
    /// Starts a batch unless one is in flight. Batches run on the node's own threads and take the next one from the queue
    /// by themselves: on the actor's arbiter they would not run before a flooded mailbox is empty.
    fn pump(&self) {
        let Some(first) = self.admission.next_batch(&self.queue) else { return };
        let (admission, queue) = (self.admission.clone(), Arc::clone(&self.queue));
        self.admission.runtime.spawn(async move { admission.drain(first, &queue).await });
    }
}

fn lock(queue: &Mutex<BatchQueue>) -> MutexGuard<'_, BatchQueue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Admission {
    /// Runs batch after batch until the queue is empty. A batch owns its requests and answers them even if the actor has
    /// died.
    async fn drain(&self, first: Vec<QueuedRequest>, queue: &Mutex<BatchQueue>) {
        let mut next = Some(first);
        while let Some(batch) = next {
            if let Err(message) = catch_panic_async(self.run(batch)).await {
                self.metrics.actor_panicked(KIND);
                tracing::error!(coupon = %self.handle.id(), error = %message, "a batch panicked; its requests are sent again");
            }
            lock(queue).batch_done();
            next = self.next_batch(queue);
        }
    }

    /// The next batch, without the requests that the gate rejects by now: it may have halted since they were queued.
    fn next_batch(&self, queue: &Mutex<BatchQueue>) -> Option<Vec<QueuedRequest>> {
        let (gate, now) = (self.handle.gate(), clock::now());
        let mut queue = lock(queue);
        queue.reject(gate.version(), |member| match gate.judge(member, now) {
            Passage::Reject(rejection) => Some(rejection),
            Passage::Ask | Passage::Recovering => None,
        });
        queue.next_batch()
    }

    async fn run(&self, batch: Vec<QueuedRequest>) {
        panics::visit(KIND, "batch");
        let mut replies = Vec::with_capacity(batch.len());
        let mut requests = Vec::with_capacity(batch.len());
        for QueuedRequest { member, traceparent, reply, permit, .. } in batch {
            requests.push(AdmissionRequest { member, traceparent });
            replies.push((reply, permit));
        }
        let span = self.batch_span(&requests);
        run_in(span.as_ref(), self.decide(replies, requests)).await;
    }

    /// The batch's span, linked to the traces of its requests.
    fn batch_span(&self, requests: &[AdmissionRequest]) -> Option<TraceSpan> {
        let traces = requests.iter().filter_map(|request| request.traceparent.as_ref());
        let span = TraceSpan::for_all(&TraceSpanKind::Internal, "admit batch", traces)?;
        span.set("openrun.coupon.id", self.handle.id().as_str().to_owned());
        span.set("openrun.engine", self.engine.name());
        span.set("openrun.batch.size", i64::try_from(requests.len()).unwrap_or(i64::MAX));
        Some(span)
    }

    async fn decide(
        &self,
        replies: Vec<(oneshot::Sender<Reply>, OwnedSemaphorePermit)>,
        requests: Vec<AdmissionRequest>,
    ) {
        self.metrics.batch_size.observe(as_f64(requests.len()));
        let started = Instant::now();
        let decision = self.engine.admit(self.handle.id(), &requests);
        let answer = bounded_by(self.engine_timeout, decision).await;
        self.metrics.engine_seconds.observe(started.elapsed().as_secs_f64());
        match answer {
            Ok(answer) => {
                abort::visit(abort::ADMITTED);
                // Recorded before the replies are sent, so that no later read shows a standing without these issuances.
                self.handle.record_decision(answer.standing);
                for ((reply, _permit), verdict) in replies.into_iter().zip(&answer.verdicts) {
                    let _client_gone = reply.send(Ok(*verdict));
                }
                self.publish(requests, &answer);
            }
            Err(error) => {
                let issue_error = self.handle_engine_error(&error);
                for (reply, _permit) in replies {
                    let _client_gone = reply.send(Err(issue_error));
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

    fn handle_engine_error(&self, error: &EngineError) -> IssueError {
        if let Some(span) = TraceSpan::current() {
            span.failed("not_decided", &error.to_string());
        }
        let coupon = self.handle.id();
        match error {
            EngineError::Fenced(reason) => {
                tracing::warn!(%coupon, error = %reason, "the engine is fenced: the gate is closed until the engine is verified");
                self.handle.require_recovery();
                IssueError::Recovering
            }
            EngineError::UnknownCoupon => {
                tracing::error!(%coupon, "the engine has lost the coupon: the gate is closed until the engine is verified");
                self.handle.require_recovery();
                IssueError::Recovering
            }
            EngineError::Unavailable(_) => {
                tracing::warn!(%coupon, %error, "the engine did not answer a batch: its clients are asked to retry");
                IssueError::Unknown
            }
            EngineError::Busy(_) => {
                tracing::warn!(%coupon, %error, "the engine refused a batch: its clients are asked to retry");
                IssueError::Overloaded
            }
            EngineError::Corrupt(_) => {
                tracing::error!(%coupon, %error, "the engine's answer to a batch is not usable: its clients are asked to retry");
                self.handle.refresh_now();
                IssueError::Unknown
            }
        }
    }
}

/// A batch has at most 256 members, which any float holds exactly.
fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl PanicBoundary for CouponEventActor {
    fn failed(&mut self, reason: String) {
        // A panic here escapes the boundary; only the supervisor notices it.
        panics::visit(KIND, "failed");
        self.exit.set_reason(reason);
    }
}

impl Actor for CouponEventActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.guarded(ctx, |actor, ctx| {
            panics::visit(KIND, "started");
            // After a stop the batch in flight answers the queue; requests in the mailbox are sent to the replacement.
            stop_on_signal(&actor.exit, ctx);
            // The previous incarnation may have died before it recorded a standing.
            actor.admission.handle.refresh_now();
            ctx.run_interval(EXPIRY_ROUND, |actor, ctx| {
                actor.guarded(ctx, |actor, _| {
                    panics::visit(KIND, "timer");
                    lock(&actor.queue).expire(Instant::now());
                });
            });
        });
    }
}

impl Handler<IssueCoupon> for CouponEventActor {
    type Result = ();

    fn handle(&mut self, IssueCoupon(request): IssueCoupon, ctx: &mut Context<Self>) {
        self.guarded(ctx, |actor, _| {
            panics::visit(KIND, "handler");
            lock(&actor.queue).push(request);
            actor.pump();
        });
    }
}

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

    fn start(&self, exit: ExitNotice) {
        let admission = self.admission.clone();
        let capacity = self.queue_limit.saturating_add(MAILBOX_MARGIN);
        let address = CouponEventActor::start_in_arbiter(&self.arbiter, move |ctx| {
            ctx.set_mailbox_capacity(capacity);
            CouponEventActor { admission, queue: Arc::default(), exit }
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
