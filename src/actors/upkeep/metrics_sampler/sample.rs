//! One sample of all metrics that the events of requests do not give.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{MetricsSamplerDeps, SampledStack};
use crate::actors::issuing::CouponHandle;
use crate::actors::runtime::deadline::bounded_by;
use crate::domain::{CouponId, Sequence};
use crate::ports::EngineError;
use crate::telemetry::CouponSample;

/// A service without an answer within this time counts as down. Under the heaviest load an answer takes a small part of
/// it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Bounds the time for all outboxes together; the next sample begins with the rest.
const OUTBOXES_TIMEOUT: Duration = Duration::from_secs(2);
/// Samples after which a known empty outbox is measured again: Redis may have been restored to an earlier state.
const SAMPLES_WHILE_EMPTY: u64 = 30;

pub(super) struct Sampler {
    deps: MetricsSamplerDeps,
    /// The highest issued sequence when the outbox was empty. While it has not grown, the outbox is still empty.
    empty_at: HashMap<CouponId, Sequence>,
    samples: u64,
    /// The index of the first outbox of the next sample.
    next_outbox: usize,
}

impl Sampler {
    pub(super) fn new(deps: MetricsSamplerDeps) -> Self {
        Self { deps, empty_at: HashMap::new(), samples: 0, next_outbox: 0 }
    }

    pub(super) async fn sample(&mut self) {
        self.samples += 1;
        if self.samples.is_multiple_of(SAMPLES_WHILE_EMPTY) {
            self.empty_at.clear();
        }
        let coupons = self.sample_node();
        let deps = self.deps.clone();
        let engine_and_outboxes = async {
            if deps.sample_engine().await
                && let Some(stack) = &deps.stack
            {
                self.sample_outboxes(stack, &coupons).await;
            }
        };
        tokio::join!(engine_and_outboxes, deps.sample_postgres(), deps.sample_queues());
    }

    /// Samples this node's own data; gives the coupons that have series of their own.
    fn sample_node(&self) -> Vec<Arc<CouponHandle>> {
        let MetricsSamplerDeps { registry, metrics, pools, stack, .. } = &self.deps;
        let (listed, unlisted): (Vec<_>, Vec<_>) = registry
            .all()
            .into_iter()
            .partition(|handle| metrics.coupons.record(handle.id().as_str(), &coupon_sample(handle)));
        metrics.coupons.record_unlisted(unlisted.len());
        metrics.services.mailbox("coupon-event", registry.waiting());
        if let Some(stack) = stack {
            metrics.services.mailbox("publisher", stack.publisher.pending());
        }
        for (name, pool) in pools {
            let usage = pool.usage();
            metrics.services.pool(name, usage.open, usage.idle, usage.max);
        }
        listed
    }

    async fn sample_outboxes(&mut self, stack: &SampledStack, coupons: &[Arc<CouponHandle>]) {
        // The start moves on, so that a slow outbox never hides the same others for good.
        let begin = self.next_outbox % coupons.len().max(1);
        let round = async {
            for handle in coupons.iter().cycle().skip(begin).take(coupons.len()) {
                // A fenced coupon has no depth to show.
                let _sampled_or_fenced = self.sample_outbox(stack, handle).await;
                self.next_outbox = self.next_outbox.wrapping_add(1);
            }
        };
        let _done_or_rest_later = timeout(OUTBOXES_TIMEOUT, round).await;
    }

    async fn sample_outbox(
        &mut self,
        stack: &SampledStack,
        handle: &CouponHandle,
    ) -> Result<(), EngineError> {
        let (coupon, issued) = (handle.id(), handle.last_issued());
        if self.empty_at.get(coupon).map_or(issued == 0, |at| *at == issued) {
            if issued == 0 {
                self.deps.metrics.coupons.record_outbox(coupon.as_str(), 0, 0.0);
            }
            return Ok(());
        }
        let depth = stack.outbox.depth(coupon).await?;
        let oldest = if depth == 0 { None } else { stack.outbox.pending(coupon, 0, 1).await?.pop() };
        let age_ms = oldest.and_then(|entry| Some(handle.engine_now()?.ms_since(entry.grant.issued_at)));
        let age = Duration::from_millis(age_ms.unwrap_or(0)).as_secs_f64();
        self.deps.metrics.coupons.record_outbox(coupon.as_str(), depth, age);
        if depth == 0 {
            self.empty_at.insert(coupon.clone(), issued);
        } else {
            self.empty_at.remove(coupon);
        }
        Ok(())
    }
}

impl MetricsSamplerDeps {
    /// Whether the engine answers.
    async fn sample_engine(&self) -> bool {
        let answers = bounded_by(ANSWER_TIMEOUT, self.engine.revision()).await.is_ok();
        self.metrics.services.answered(self.engine_service, answers);
        answers
    }

    async fn sample_postgres(&self) {
        let Some(stack) = &self.stack else { return };
        let answers = bounded_by(ANSWER_TIMEOUT, stack.postgres.now()).await.is_ok();
        self.metrics.services.answered("postgresql", answers);
    }

    async fn sample_queues(&self) {
        let Some(stack) = &self.stack else { return };
        let queues = bounded_by(ANSWER_TIMEOUT, stack.queues.queues()).await;
        self.metrics.services.answered("rabbitmq", queues.is_ok());
        if let Ok(queues) = queues {
            self.metrics.services.queues(queues.waiting, queues.dead);
        }
    }
}

fn coupon_sample(handle: &CouponHandle) -> CouponSample {
    let gate = handle.gate();
    CouponSample {
        gate: gate.state(),
        is_halted: gate.halted().is_some(),
        inventory: handle.last_inventory(),
    }
}
