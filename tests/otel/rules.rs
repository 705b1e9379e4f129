//! The rules are rules, and each alert has a test in which it fires and one in which it has cleared.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::process::Command;

use crate::files::{alerts, rule_tests, rules};

/// Runs promtool on `files`; panics with what it says unless it is content.
fn promtool<P: AsRef<OsStr>>(arguments: [&str; 2], files: impl IntoIterator<Item = P>) {
    let output = Command::new("promtool").args(arguments).args(files).output();
    let output =
        output.unwrap_or_else(|error| panic!("promtool: {error}; run ./scripts/test, which installs it"));
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}

#[test]
fn prometheus_takes_the_rules() {
    promtool(["check", "rules"], rules().into_iter().map(|(path, _)| path));
}

#[test]
fn every_alert_fires_and_clears_when_it_should() {
    promtool(["test", "rules"], rule_tests().into_iter().map(|(path, _)| path));
}

#[test]
fn every_alert_is_seen_firing_and_then_seen_clear() {
    let tested: BTreeSet<String> =
        rule_tests().iter().flat_map(|(_, text)| fired_and_cleared(text)).collect();
    assert_eq!(tested, alerts());
}

/// Every alert has a severity that somebody heeds, and leads to its section of the run-book.
#[test]
fn every_alert_says_how_urgent_it_is_and_where_to_read_on() {
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

/// One question to an alert in a test of rules.
struct Question {
    alert: String,
    at_s: u64,
    fires: bool,
}

/// The alerts that a file of tests sees firing and, in the same case at a later moment, not firing any more.
fn fired_and_cleared(text: &str) -> BTreeSet<String> {
    let cases = text.split("\n  - name: ").skip(1);
    cases.flat_map(|case| cleared_after_firing(&questions(case))).collect()
}

fn cleared_after_firing(questions: &[Question]) -> BTreeSet<String> {
    let mut fired: BTreeMap<&str, u64> = BTreeMap::new();
    let mut cleared = BTreeSet::new();
    for Question { alert, at_s, fires } in questions {
        if *fires {
            fired.insert(alert, *at_s);
        } else if fired.get(alert.as_str()).is_some_and(|fired_at_s| fired_at_s < at_s) {
            cleared.insert(alert.clone());
        }
    }
    cleared
}

fn questions(case: &str) -> Vec<Question> {
    let questions = case.split("- eval_time: ").skip(1);
    let read = |question: &str| {
        let mut lines = question.lines().map(str::trim);
        let at_s = seconds(lines.next()?)?;
        let alert = lines.next()?.strip_prefix("alertname: ")?.to_owned();
        let fires = match lines.next()? {
            "exp_alerts: []" => false,
            "exp_alerts:" => lines.next()?.starts_with("- exp_labels:"),
            _ => return None,
        };
        Some(Question { alert, at_s, fires })
    };
    questions
        .map(|question| read(question).unwrap_or_else(|| panic!("in another form: {question}")))
        .collect()
}

/// `2m30s` in seconds.
fn seconds(text: &str) -> Option<u64> {
    let (minutes, rest) = text.split_once('m').unwrap_or(("0", text));
    let seconds = if rest.is_empty() { "0" } else { rest.strip_suffix('s')? };
    Some(minutes.parse::<u64>().ok()? * 60 + seconds.parse::<u64>().ok()?)
}

#[test]
fn a_case_in_which_an_alert_only_fires_or_has_not_fired_yet_is_none() {
    let ask = |at: &str, fires: bool| {
        let expected = if fires { "exp_alerts:\n          - exp_labels: {}" } else { "exp_alerts: []" };
        format!("      - eval_time: {at}\n        alertname: A\n        {expected}\n")
    };
    let file = |questions: &[String]| format!("tests:\n  - name: A\n{}", questions.concat());
    let found = |questions: &[String]| fired_and_cleared(&file(questions)).len();
    assert_eq!(found(&[ask("1m", true), ask("2m30s", false)]), 1);
    assert_eq!(found(&[ask("1m", true)]), 0);
    assert_eq!(found(&[ask("1m", false), ask("2m", true)]), 0);
    assert_eq!(found(&[ask("2m", true), ask("90s", false)]), 0);
}
