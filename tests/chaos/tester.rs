//! Tests of the fault harness: it finds each planted bug by the right violation.
//!
//! They take minutes and run only on request:
//! `cargo nextest run --features planted-bugs --test chaos --run-ignored all`.

use openrun_load::chaos::{Config, PLANTED_BUGS, PlantedBug, Report};

use crate::{openrun, run};

/// For each bug, an invariant that it must violate.
const FOUND_BY: &[(&str, &str)] = &[
    ("trim-on-confirm", "told_is_in_the_database"),
    ("stock-back-on-timeout", "sequences_are_dense"),
    ("ack-before-commit", "confirmed_until_committed"),
    ("conflict-unclassified", "contradictions_are_kept"),
    ("everysec", "told_is_in_the_database"),
];

async fn run_with(name: &str, plant: impl Fn(&PlantedBug, &mut Config)) -> Report {
    let bug = PlantedBug::named(name).expect("there is such a bug");
    let mut config = Config::new(openrun(), 1);
    plant(bug, &mut config);
    run(config).await
}

async fn is_found(name: &str) {
    let promise = FOUND_BY.iter().find(|(bug, _)| *bug == name).map(|(_, promise)| *promise);
    let report = run_with(name, PlantedBug::plant).await;
    let violated: Vec<_> = report.judgement.violations.iter().map(|found| found.promise).collect();
    assert!(promise.is_some_and(|promise| violated.contains(&promise)), "{promise:?} is not in {violated:?}");
    let control = run_with(name, PlantedBug::leave_out).await;
    assert!(control.holds(), "without the bug: {:?}", control.judgement.violations);
}

macro_rules! found {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "takes a minute"]
            async fn $test() {
                is_found($name).await;
            }
        )*
    };
}

found! {
    private_an_outbox_trimmed_on_confirm_is_found: "trim-on-confirm",
    private_stock_handed_back_on_a_timeout_is_found: "stock-back-on-timeout",
    private_an_ack_before_commit_is_found: "ack-before-commit",
    private_a_contradiction_that_is_swallowed_is_found: "conflict-unclassified",
    private_a_redis_that_syncs_later_is_found: "everysec",
}

#[test]
fn every_bug_has_its_test() {
    let known: Vec<_> = PLANTED_BUGS.iter().map(|bug| bug.name).collect();
    assert_eq!(known, FOUND_BY.iter().map(|(bug, _)| *bug).collect::<Vec<_>>());
}
