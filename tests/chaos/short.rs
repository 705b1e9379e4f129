//! A run for every change: one fault of most kinds, one after the other, under load.

use openrun_load::chaos::Config;

use crate::{openrun, run};

const SEED: u64 = 20_261_121;
/// The quick faults. `openrun-load chaos` without `--faults` injects all.
const FAULTS: &[&str] = &[
    "abort-admitted",
    "abort-buried",
    "abort-committed",
    "abort-replayed",
    "contradiction",
    "node-killed",
    "poison",
    "power-failure",
    "rabbitmq-unbound",
    "redis-replies-lost",
];

#[tokio::test(flavor = "multi_thread")]
async fn private_a_short_run_violates_no_invariant() {
    let mut config = Config::new(openrun(), SEED);
    // The time to recover is measured by long runs on an idle machine.
    config.recovery_limit = config.patience;
    config.faults = FAULTS.iter().map(|name| (*name).to_owned()).collect();
    let report = run(config).await;
    assert!(report.holds(), "{:?}", report.judgement.violations);
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    assert!(report.injected.iter().all(|done| done.trouble.is_none()), "{:?}", report.injected);
    assert_eq!(report.faults.len(), FAULTS.len());
    assert!(report.rows > 100 && report.unknown > 0, "members got coupons, and some requests got no answer");
}
