//! Tests of reports.

use std::time::Duration;

use super::*;
use crate::{issued_answers::IssuedAnswer, latency::Latency};

fn race() -> RaceReport {
    let mut latency = Latency::default();
    latency.record(Duration::from_micros(1_500));
    let issued_answer = |member: &str, sequence, code: &str| IssuedAnswer {
        member_id: member.into(),
        sequence,
        code: code.into(),
        repeated: false,
        requested_us: 0,
        answered_us: 9,
    };
    RaceReport {
        coupon_id: "spring".into(),
        members: 1_000_000,
        clients: 256,
        requests: 1_100_000,
        issued_first: 2,
        repeated: 1,
        sold_out: 1_099_997,
        not_open: 0,
        closed: 0,
        shed: 0,
        unknown: 0,
        gave_up: 0,
        unexpected: 0,
        unexpected_examples: Vec::new(),
        duration: Duration::from_secs(10),
        latency,
        issued_answers: vec![
            issued_answer("a", 1, "A"),
            issued_answer("b", 2, "B"),
            issued_answer("a", 1, "A"),
        ],
        stopped_early: false,
    }
}

#[test]
fn the_json_is_one_object_with_the_callers_fields() {
    #[derive(Serialize)]
    struct Database {
        rows: u64,
    }
    let race = race();
    let verdict = Verdict::of(&race, Some(2)).and(["one row too many".to_owned()]);
    let report = Report { figures: Figures::from(&race), extra: Database { rows: 3 }, verdict };
    let mut written = Vec::new();
    report.write_json(&mut written).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(json["issued"], 2);
    assert_eq!(json["distinct_members"], 2);
    assert_eq!(json["requests"], 1_100_000);
    assert_eq!(json["requests_per_second"], 110_000.0);
    assert_eq!(json["rows"], 3);
    assert_eq!(json["verdict"], "broken");
    assert_eq!(json["violations"], serde_json::json!(["one row too many"]));
    for percentile in ["p50", "p90", "p99", "max"] {
        assert_eq!(json["latency_ms"][percentile], 1.5, "{percentile}");
    }
}

#[test]
fn a_report_needs_no_extra_fields() {
    let race = race();
    let report = Report { figures: Figures::from(&race), extra: (), verdict: Verdict::of(&race, None) };
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "holds");
    assert!(json.get("violations").is_none());
}

#[test]
fn a_member_without_a_verdict_and_an_unexpected_answer_are_violations() {
    let broken = RaceReport {
        gave_up: 1_500,
        unexpected: 7,
        unexpected_examples: vec!["418 is not in the contract: tea".into()],
        ..race()
    };
    let Verdict::Broken(violations) = Verdict::of(&broken, None) else { panic!("it cannot hold") };
    assert_eq!(violations[0], "1,500 members never got a verdict");
    assert_eq!(violations[1], "7 unexpected answers, such as: 418 is not in the contract: tea");
}

#[test]
fn the_first_violations_are_listed_and_the_rest_is_counted() {
    let mut broken = race();
    let first = broken.issued_answers[0].clone();
    broken.issued_answers = (0..100)
        .map(|n| IssuedAnswer { member_id: format!("m{n}"), code: format!("C{n}"), ..first.clone() })
        .collect();
    let Verdict::Broken(violations) = Verdict::of(&broken, None) else { panic!("it cannot hold") };
    assert_eq!(violations.len(), VIOLATIONS_LISTED + 1);
    assert_eq!(violations.last().unwrap(), "and 79 more of these");
}

#[test]
fn the_text_fits_on_a_terminal_and_leaves_out_zeros() {
    let mut written = Vec::new();
    write_text(&mut written, &race()).unwrap();
    write_verdict(&mut written, &Verdict::Holds).unwrap();
    let text = String::from_utf8(written).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("1,000,000 members asked for spring"), "{text}");
    assert!(text.contains("1,099,997  sold out"), "{text}");
    assert!(!text.contains("not open"), "{text}");
    assert!(text.ends_with("The promise held.\n"), "{text}");
}
