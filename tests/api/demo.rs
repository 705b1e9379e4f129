//! Small runs of `openrun demo`.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::arrange::{Engine, on_every_engine};
use crate::program::{Ended, run};
use crate::support::node::Stack;

on_every_engine! {
    the_promise_holds_and_the_report_states_it,
    the_promise_holds_with_the_ack_level_persisted,
}

const RACE: [&str; 7] = ["demo", "--members", "300", "--stock", "40", "--clients", "16"];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

fn entries(path: &Path) -> Vec<String> {
    let listed = std::fs::read_dir(path).expect("the folder exists");
    listed.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The settings of a demo on this engine.
fn of(engine: Engine, stack: &Stack) -> Vec<(&'static str, &str)> {
    let on_postgres = |name| vec![("OPENRUN_ENGINE", name), ("OPENRUN_DATABASE_URL", &*stack.database_url)];
    match engine {
        Engine::Embedded => Vec::new(),
        Engine::RedisLua => stack.settings().to_vec(),
        Engine::RedisLock => {
            let others = stack.settings().into_iter().filter(|(name, _)| *name != "OPENRUN_ENGINE");
            others.chain([("OPENRUN_ENGINE", "redis-lock")]).collect()
        }
        Engine::PostgresPessimistic => on_postgres("postgres-pessimistic"),
        Engine::PostgresOptimistic => on_postgres("postgres-optimistic"),
    }
}

async fn race(report: &Path, settings: &[(&str, &str)]) -> Ended {
    run(&[&RACE[..], &["--report", text(report)]].concat(), settings).await
}

async fn the_promise_holds_and_the_report_states_it(engine: Engine) {
    let (folder, temporary) = (folder(), folder());
    let report = folder.path().join("report.json");
    let stack = Stack::shared().await;
    let mut settings = vec![("TMPDIR", text(temporary.path()))];
    settings.extend(of(engine, &stack));
    let ended = race(&report, &settings).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(entries(temporary.path()), Vec::<String>::new(), "the temporary folder is removed");

    let report: Value =
        serde_json::from_slice(&std::fs::read(&report).expect("the report exists")).expect("JSON");
    assert_eq!(report["verdict"], "holds", "{report}");
    for (name, value) in [
        ("issued", 40),
        ("distinct_members", 40),
        ("members", 300),
        ("stock", 40),
        ("oversold", 0),
        ("duplicates", 0),
    ] {
        assert_eq!(report[name], value, "{name}: {report}");
    }
    assert!(report["requests"].as_u64().is_some_and(|requests| requests >= 300), "{report}");
    assert!(report["requests_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{report}");
    let latency =
        ["p50", "p90", "p99", "max"].map(|name| report["latency_ms"][name].as_f64().unwrap_or(-1.0));
    assert!(latency[0] >= 0.0 && latency.is_sorted(), "{report}");
    assert!(ended.stdout.contains("oversold") && ended.stdout.contains("duplicates"), "{}", ended.stdout);
}

/// With `persisted` every answer is about an existing row.
async fn the_promise_holds_with_the_ack_level_persisted(engine: Engine) {
    let (folder, stack) = (folder(), Stack::shared().await);
    let settings = of(engine, &stack);
    let report = folder.path().join("report.json");
    let arguments = [&RACE[..], &["--ack", "persisted", "--report", text(&report)]].concat();
    let ended = run(&arguments, &settings).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let report: Value =
        serde_json::from_slice(&std::fs::read(&report).expect("the report exists")).expect("JSON");
    assert_eq!((&report["verdict"], &report["issued"]), (&"holds".into(), &40.into()), "{report}");
}

#[tokio::test]
async fn a_given_data_directory_is_kept() {
    let folder = folder();
    let data = folder.path().join("kept");
    let ended = race(&folder.path().join("report.json"), &[("OPENRUN_DATA_DIR", text(&data))]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(data.join("openrun.sqlite").is_file());
    // A second race in the same directory has its own coupon.
    let again = race(&folder.path().join("report.json"), &[("OPENRUN_DATA_DIR", text(&data))]).await;
    assert_eq!(again.code, Some(0), "{again:#?}");
}

#[tokio::test]
async fn an_unwritable_report_is_an_error_before_the_race() {
    let folder = folder();
    let ended = race(&folder.path().join("nowhere").join("report.json"), &[]).await;
    assert!(ended.one_line(2).contains("report.json"));
    assert_eq!(ended.stdout, "");
}
