//! One look at everything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{MetricsSamplerDeps, SampledStack};
use crate::actors::issuing::CouponHandle;
use crate::domain::{CouponId, Sequence};
use crate::ports::EngineError;
use crate::telemetry::CouponSample;

/// How long a service may take to answer before it counts as down. Under the heaviest load it takes a small part of it.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long all outboxes together may take; the rest has its turn in the next round.
const OUTBOXES_WITHIN: Duration = Duration::from_secs(2);

/// Rounds after which an outbox that was empty is looked at all the same: Redis may have been put back as it was.
const EMPTY_FOR_ROUNDS: u64 = 30;

/// Looks, and remembers what needs no second look.
pub(super) struct Sample {
    parts: MetricsSamplerDeps,
    /// How many had been issued when the outbox was last seen empty: as long as no more are, it still is.
    empty_at: HashMap<CouponId, Sequence>,
    rounds: u64,
    /// Where the next round through the outboxes begins.
    turn: usize,
}

impl Sample {
    pub(super) fn new(parts: MetricsSamplerDeps) -> Self {
        Self { parts, empty_at: HashMap::new(), rounds: 0, turn: 0 }
    }

    pub(super) async fn once(&mut self) {
        self.rounds += 1;
        if self.rounds.is_multiple_of(EMPTY_FOR_ROUNDS) {
            self.empty_at.clear();
        }
        let coupons = self.here();
        let parts = self.parts.clone();
        let engine_and_outboxes = async {
            if parts.engine_answers().await
                && let Some(stack) = &parts.stack
            {
                self.outboxes(stack, &coupons).await;
            }
        };
        tokio::join!(engine_and_outboxes, parts.postgres(), parts.queues());
    }

    /// What this node knows without asking anybody; gives the coupons that have series of their own.
    fn here(&self) -> Vec<Arc<CouponHandle>> {
        let MetricsSamplerDeps { registry, metrics, pools, stack, .. } = &self.parts;
        let (listed, unlisted): (Vec<_>, Vec<_>) = registry
            .all()
            .into_iter()
            .partition(|handle| metrics.coupons.seen(handle.id().as_str(), &look_at(handle)));
        metrics.coupons.unlisted(unlisted.len());
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

    async fn outboxes(&mut self, stack: &SampledStack, coupons: &[Arc<CouponHandle>]) {
        // However little time there is, each has its turn.
        let begin = self.turn % coupons.len().max(1);
        let round = async {
            for handle in coupons.iter().cycle().skip(begin).take(coupons.len()) {
                // An engine that is not sure of a coupon says nothing of it.
                let _unsaid = self.outbox(stack, handle).await;
                self.turn = self.turn.wrapping_add(1);
            }
        };
        let _the_rest_comes_next = timeout(OUTBOXES_WITHIN, round).await;
    }

    async fn outbox(&mut self, stack: &SampledStack, handle: &CouponHandle) -> Result<(), EngineError> {
        let (coupon, issued) = (handle.id(), handle.last_issued());
        if self.empty_at.get(coupon).map_or(issued == 0, |at| *at == issued) {
            if issued == 0 {
                self.parts.metrics.coupons.outbox_seen(coupon.as_str(), 0, 0.0);
            }
            return Ok(());
        }
        let depth = stack.outbox.depth(coupon).await?;
        let oldest = if depth == 0 { None } else { stack.outbox.pending(coupon, 0, 1).await?.pop() };
        let age_ms = oldest.and_then(|entry| Some(handle.engine_now()?.ms_since(entry.grant.issued_at)));
        let age = Duration::from_millis(age_ms.unwrap_or(0)).as_secs_f64();
        self.parts.metrics.coupons.outbox_seen(coupon.as_str(), depth, age);
        if depth == 0 {
            self.empty_at.insert(coupon.clone(), issued);
        } else {
            self.empty_at.remove(coupon);
        }
        Ok(())
    }
}

impl MetricsSamplerDeps {
    async fn engine_answers(&self) -> bool {
        let answers = matches!(timeout(ANSWER_WITHIN, self.engine.revision()).await, Ok(Ok(_)));
        self.metrics.services.answered(self.engine_service, answers);
        answers
    }

    async fn postgres(&self) {
        let Some(stack) = &self.stack else { return };
        let answers = matches!(timeout(ANSWER_WITHIN, stack.postgres.now()).await, Ok(Ok(_)));
        self.metrics.services.answered("postgresql", answers);
    }

    async fn queues(&self) {
        let Some(stack) = &self.stack else { return };
        let looked = timeout(ANSWER_WITHIN, stack.queues.queues()).await;
        self.metrics.services.answered("rabbitmq", matches!(looked, Ok(Ok(_))));
        if let Ok(Ok(queues)) = looked {
            self.metrics.services.queues(queues.waiting, queues.dead);
        }
    }
}

fn look_at(handle: &CouponHandle) -> CouponSample {
    let gate = handle.gate();
    CouponSample { gate: gate.word(), is_halted: gate.halted().is_some(), inventory: handle.last_inventory() }
}
