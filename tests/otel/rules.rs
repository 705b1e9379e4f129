//! Prometheus accepts the rules, and each alert has a test case in which it fires and then clears.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::process::Command;

use crate::files::{alerts, rule_tests, rules};

/// Runs promtool on `files` and panics with its output if it fails.
fn promtool<P: AsRef<OsStr>>(arguments: [&str; 2], files: impl IntoIterator<Item = P>) {
    let output = Command::new("promtool").args(arguments).args(files).output();
    let output =
        output.unwrap_or_else(|error| panic!("promtool: {error}; run ./scripts/test, which installs it"));
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{text}");
}

#[test]
fn prometheus_accepts_the_rules() {
    promtool(["check", "rules"], rules().into_iter().map(|(path, _)| path));
}

#[test]
fn the_test_cases_of_the_rules_pass() {
    promtool(["test", "rules"], rule_tests().into_iter().map(|(path, _)| path));
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_then_clears() {
    let tested: BTreeSet<String> =
        rule_tests().iter().flat_map(|(_, text)| fired_and_cleared(text)).collect();
    assert_eq!(tested, alerts());
}

#[test]
fn every_alert_has_a_severity_and_links_to_its_section_of_the_run_book() {
    for (path, text) in rules() {
        for rule in text.split("- alert: ").skip(1) {
            let name = rule.lines().next().unwrap_or_default();
            let severity =
                ["severity: page", "severity: ticket"].iter().any(|severity| rule.contains(severity));
            assert!(severity, "{name} in {} has no severity", path.display());
            let runbook = format!("runbook: docs/operations.md#{}\n", name.to_lowercase());
            assert!(rule.contains(&runbook), "{name} in {}: {runbook}", path.display());
        }
    }
}

/// The expected state of an alert at one time of a test case.
struct Expectation {
    alert: String,
    at_s: u64,
    fires: bool,
}

/// The alerts that fire in a case of the file and are clear later in the same case.
fn fired_and_cleared(text: &str) -> BTreeSet<String> {
    let cases = text.split("\n  - name: ").skip(1);
    cases.flat_map(|case| cleared_after_firing(&expectations(case))).collect()
}

fn cleared_after_firing(expectations: &[Expectation]) -> BTreeSet<String> {
    let mut fired: BTreeMap<&str, u64> = BTreeMap::new();
    let mut cleared = BTreeSet::new();
    for Expectation { alert, at_s, fires } in expectations {
        if *fires {
            fired.insert(alert, *at_s);
        } else if fired.get(alert.as_str()).is_some_and(|fired_at_s| fired_at_s < at_s) {
            cleared.insert(alert.clone());
        }
    }
    cleared
}

fn expectations(case: &str) -> Vec<Expectation> {
    let expectations = case.split("- eval_time: ").skip(1);
    let read = |expectation: &str| {
        let mut lines = expectation.lines().map(str::trim);
        let at_s = seconds(lines.next()?)?;
        let alert = lines.next()?.strip_prefix("alertname: ")?.to_owned();
        let fires = match lines.next()? {
            "exp_alerts: []" => false,
            "exp_alerts:" => lines.next()?.starts_with("- exp_labels:"),
            _ => return None,
        };
        Some(Expectation { alert, at_s, fires })
    };
    expectations
        .map(|expectation| read(expectation).unwrap_or_else(|| panic!("unreadable: {expectation}")))
        .collect()
}

/// `2m30s` in seconds.
fn seconds(text: &str) -> Option<u64> {
    let (minutes, rest) = text.split_once('m').unwrap_or(("0", text));
    let seconds = if rest.is_empty() { "0" } else { rest.strip_suffix('s')? };
    Some(minutes.parse::<u64>().ok()? * 60 + seconds.parse::<u64>().ok()?)
}

#[test]
fn a_case_counts_only_if_the_alert_clears_after_firing() {
    let expect = |at: &str, fires: bool| {
        let expected = if fires { "exp_alerts:\n          - exp_labels: {}" } else { "exp_alerts: []" };
        format!("      - eval_time: {at}\n        alertname: A\n        {expected}\n")
    };
    let file = |expectations: &[String]| format!("tests:\n  - name: A\n{}", expectations.concat());
    let found = |expectations: &[String]| fired_and_cleared(&file(expectations)).len();
    assert_eq!(found(&[expect("1m", true), expect("2m30s", false)]), 1);
    assert_eq!(found(&[expect("1m", true)]), 0);
    assert_eq!(found(&[expect("1m", false), expect("2m", true)]), 0);
    assert_eq!(found(&[expect("2m", true), expect("90s", false)]), 0);
}
