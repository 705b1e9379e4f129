//! Random sequences of steps, applied to the engine and to the model.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use openrun::domain::{Coupon, Lifecycle, MemberId, Reconfiguration, SalePeriod, Verdict};
use openrun::ports::AdmissionEngine;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;

use crate::model::{Expected, Model, Span, Step};
use crate::suite::Fixture;
use crate::support::{
    MINUTE_MS, admit_batch, checked_holders, coupon_in, lifecycle, member, open_window, total, window,
    window_change,
};

const CASES: u32 = 48;
/// Few members, so that the steps of a sequence interact.
const MEMBERS: u8 = 12;

pub(crate) async fn any_sequence_of_steps_agrees_with_the_model(fixture: &mut dyn Fixture) {
    let nodes = [fixture.engine(), fixture.second_node_engine()];
    let (names, fixture, runtime) = (AtomicU32::new(0), &*fixture, Handle::current());
    // The runner calls synchronous functions, and shrinks a failing sequence.
    let outcome = tokio::task::block_in_place(|| {
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let strategy = (1u32..10, prop::collection::vec(steps(), 1..40));
        TestRunner::new(config).run(&strategy, |(size, steps)| {
            let name = format!("coupon-{}", names.fetch_add(1, Ordering::Relaxed));
            let mut pair = Pair::new(&nodes, &name, size);
            runtime.block_on(async {
                fixture.introduce(&pair.coupon).await;
                for (index, step) in steps.iter().enumerate() {
                    pair.take(index, step).await?;
                }
                checked_holders(&*nodes[0], &pair.coupon.id, pair.model.issued()).await;
                Ok(())
            })
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn steps() -> impl Strategy<Value = Step> {
    let lifecycles = [Lifecycle::Active, Lifecycle::Active, Lifecycle::Paused, Lifecycle::Closed];
    prop_oneof![
        8 => prop::collection::vec(0..MEMBERS, 0..8).prop_map(Step::Admit),
        2 => (0..MEMBERS).prop_map(Step::Find),
        1 => Just(Step::Load),
        2 => (0u32..14).prop_map(Step::Total),
        2 => prop::sample::select(vec![Span::Now, Span::Later, Span::Over]).prop_map(Step::SalePeriod),
        2 => prop::sample::select(lifecycles.to_vec()).prop_map(Step::Lifecycle),
    ]
}

/// An engine and its model, to which the same steps are applied.
struct Pair<'a> {
    nodes: &'a [Arc<dyn AdmissionEngine>],
    coupon: Coupon,
    model: Model,
    /// One sale period per span, so that a repeated span is the same sale period.
    windows: [(Span, SalePeriod); 3],
}

impl<'a> Pair<'a> {
    fn new(nodes: &'a [Arc<dyn AdmissionEngine>], name: &str, size: u32) -> Self {
        let now = open_window();
        let windows = [
            (Span::Now, now),
            (Span::Later, window(MINUTE_MS, None)),
            (Span::Over, window(-MINUTE_MS, Some(-1))),
        ];
        Self { nodes, coupon: coupon_in(name, size, now), model: Model::new(size), windows }
    }

    async fn take(&mut self, index: usize, step: &Step) -> Result<(), TestCaseError> {
        let node = &*self.nodes[index % self.nodes.len()];
        match step {
            Step::Admit(ids) => self.admit(node, ids).await?,
            Step::Find(member) => {
                let found = node.find(&self.coupon.id, &named(*member)).await.expect("an answer");
                prop_assert_eq!(found.map(|grant| grant.sequence), self.model.held(*member));
            }
            Step::Load => node.load(&self.coupon).await.expect("loading again is fine"),
            Step::Total(size) => self.reconfigure(node, step, total(*size)).await?,
            Step::Lifecycle(value) => self.reconfigure(node, step, lifecycle(*value)).await?,
            Step::SalePeriod(span) => {
                let window = self.windows.iter().find(|(kind, _)| kind == span).expect("one per span").1;
                self.reconfigure(node, step, window_change(window)).await?;
            }
        }
        let standing = node.standing(&self.coupon.id).await.expect("a standing");
        prop_assert_eq!(standing.inventory.issued(), self.model.issued());
        prop_assert_eq!(standing.inventory.total(), self.model.total);
        prop_assert_eq!(standing.lifecycle, self.model.lifecycle);
        Ok(())
    }

    async fn admit(&mut self, node: &dyn AdmissionEngine, ids: &[u8]) -> Result<(), TestCaseError> {
        let batch: Vec<MemberId> = ids.iter().copied().map(named).collect();
        let answer = admit_batch(node, &self.coupon.id, &batch).await;
        let expected: Vec<_> = ids.iter().map(|member| self.model.admit(*member)).collect();
        let verdicts: Vec<_> = answer.verdicts.into_iter().map(without_time).collect();
        prop_assert_eq!(verdicts, expected);
        Ok(())
    }

    async fn reconfigure(
        &mut self,
        node: &dyn AdmissionEngine,
        step: &Step,
        change: Reconfiguration,
    ) -> Result<(), TestCaseError> {
        let outcome = node.reconfigure(&self.coupon.id, change).await.expect("an answer");
        prop_assert_eq!(outcome.is_ok(), self.model.apply(step), "{:?}", outcome);
        Ok(())
    }
}

fn named(number: u8) -> MemberId {
    member(&format!("member-{number}"))
}

fn without_time(verdict: Verdict) -> Expected {
    match verdict {
        Verdict::Issued(grant) => Expected::Issued(grant.sequence),
        Verdict::Again(grant) => Expected::Again(grant.sequence),
        Verdict::Rejected(rejection) => Expected::Rejected(rejection),
    }
}
