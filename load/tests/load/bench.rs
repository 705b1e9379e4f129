//! The shortest possible bench.

use std::path::PathBuf;
use std::time::Duration;

use openrun_load::bench::growth::{self, Sizes};
use openrun_load::bench::{self, BenchConfig, Path, burst, idle, table};

use crate::node::openrun;

fn brief() -> BenchConfig {
    let mut config = BenchConfig::new(openrun(), PathBuf::from(env!("CARGO_BIN_EXE_openrun-load")));
    config.engines = vec!["embedded".to_owned()];
    config.rounds = 1;
    config.duration = Duration::from_secs(1);
    config.warm_up = Duration::from_millis(200);
    config.connections = 8;
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn private_one_round_compares_the_engine_and_its_variant_with_the_bare_handlers() {
    let mut config = brief();
    config.variants = vec!["quiet:OPENRUN_LOG=error".parse().expect("the variant is valid")];
    let report = bench::run(&config, |line| eprintln!("{line}")).await.expect("the bench succeeds");
    assert_eq!(report.violations, [""; 0]);
    let measured: Vec<(&str, Path)> =
        report.samples.iter().map(|one| (one.contender.as_str(), one.path)).collect();
    let expected = [
        ("bare fixed", Path::SoldOut),
        ("bare evalsha", Path::Issuing),
        ("embedded", Path::SoldOut),
        ("embedded", Path::Issuing),
        ("embedded+quiet", Path::SoldOut),
        ("embedded+quiet", Path::Issuing),
    ];
    assert_eq!(measured, expected);
    assert!(report.samples.iter().all(|one| one.per_second > 0.0 && one.errors == 0), "{:?}", report.samples);
    assert!(report.summaries.iter().all(|one| one.ratio.is_some()), "{:?}", report.summaries);
    let mut text = Vec::new();
    table::write(&mut text, &report).expect("memory takes everything");
    let text = String::from_utf8(text).expect("it is text");
    for words in ["Sold out", "Issuing", "sold out: embedded / bare fixed", "Every answer was true."] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn growth_compares_few_with_many() {
    let sizes = Sizes { participants: (10, 200), coupons: (1, 5) };
    let growths = growth::run(&brief(), sizes, |line| eprintln!("{line}")).await.expect("the bench succeeds");
    let sizes: Vec<(u64, u64)> = growths.iter().map(|growth| growth.sizes).collect();
    assert_eq!(sizes, [(10, 200), (1, 5)]);
    assert!(growths.iter().all(|growth| growth.ratio > 0.0), "{growths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_and_idle_connections_are_measured_without_a_failure() {
    let bursts = burst::run(&brief(), 200, |line| eprintln!("{line}")).await.expect("the bench succeeds");
    let issued: Vec<_> = bursts.iter().map(|burst| burst.counts.issued).collect();
    assert_eq!(
        issued,
        [0, 0, 0, 0, 20, 20, 200, 200],
        "over open connections and over new ones, the bare handler first"
    );
    assert!(bursts.iter().all(|burst| burst.counts.answered() == 200), "{bursts:?}");
    let idles = idle::run(&brief(), 300, |line| eprintln!("{line}")).await.expect("the bench succeeds");
    assert_eq!((idles[0].connections, idles[0].nodes, idles[0].failures), (300, 1, 0));
}
