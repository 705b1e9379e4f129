//! Servers that fail but are correct: a request with an unknown outcome is sent again until the outcome is
//! known.

use std::time::Duration;

use openrun_load::{RaceReport, Target, Verdict, issued_answers};

use crate::server::{CorrectServer, IssueHandler, Reaction, RequestCounter, config, run, start};

/// Enters the member, and then reacts otherwise than by that answer, the first `times` times.
struct FailingAtFirst<F> {
    server: CorrectServer,
    requests: RequestCounter,
    times: u32,
    fault: F,
}

impl<F: Fn() -> Reaction + Send + Sync + 'static> IssueHandler for FailingAtFirst<F> {
    async fn issue(&self, member: &str) -> Reaction {
        let entered = self.server.react(member);
        if self.requests.count(member) <= self.times { (self.fault)() } else { entered }
    }
}

async fn start_failing_at_first(times: u32, fault: impl Fn() -> Reaction + Send + Sync + 'static) -> Target {
    start(FailingAtFirst {
        server: CorrectServer::new(20),
        requests: RequestCounter::default(),
        times,
        fault,
    })
    .await
}

/// Each member holds a coupon in the end, although no 201 arrived.
fn assert_all_hold_a_coupon(race: &RaceReport) {
    assert_eq!((race.issued_first, race.repeated, race.gave_up), (0, 20, 0));
    assert_eq!(issued_answers::count_distinct(&race.issued_answers), (20, 20));
    assert_eq!(Verdict::of(race, Some(20)), Verdict::Holds);
}

async fn race_of_twenty(target: Target) -> RaceReport {
    let mut config = config(target, 20);
    config.double_click = 0.0;
    run(config).await
}

#[tokio::test]
async fn a_request_on_a_lost_connection_is_sent_again() {
    let race = race_of_twenty(start_failing_at_first(1, || Reaction::CloseConnection).await).await;
    assert_eq!((race.unknown, race.requests), (20, 40));
    assert_all_hold_a_coupon(&race);
}

#[tokio::test]
async fn an_incomplete_answer_is_no_answer() {
    let race = race_of_twenty(start_failing_at_first(2, || Reaction::IncompleteAnswer).await).await;
    assert_eq!((race.unknown, race.requests), (40, 60));
    assert_all_hold_a_coupon(&race);
}

#[tokio::test]
async fn a_request_without_an_answer_times_out_and_is_sent_again() {
    let mut config = config(start_failing_at_first(1, || Reaction::NeverAnswer).await, 20);
    config.double_click = 0.0;
    config.request_timeout = Duration::from_millis(300);
    let race = run(config).await;
    assert!(race.unknown >= 20, "{}", race.unknown);
    assert_all_hold_a_coupon(&race);
}

#[tokio::test]
async fn a_shed_request_is_sent_again() {
    let busy = || Reaction::with_headers(503, "retry-after: 0\r\n", r#"{"code":"recovering"}"#);
    let race = race_of_twenty(start_failing_at_first(3, busy).await).await;
    assert_eq!((race.shed, race.unknown, race.requests), (60, 0, 80));
    assert_all_hold_a_coupon(&race);
}

#[tokio::test]
async fn a_long_delay_is_cut_to_the_races_cap() {
    let busy = || Reaction::with_headers(429, "Retry-After: 86400\r\n", "{}");
    let mut config = config(start_failing_at_first(1, busy).await, 20);
    config.double_click = 0.0;
    config.retry.retry_after_cap = Duration::from_millis(1);
    let race = run(config).await;
    assert_eq!(race.shed, 20);
    assert_all_hold_a_coupon(&race);
}

#[tokio::test]
async fn a_member_without_a_verdict_gives_up_and_breaks_the_promise() {
    let busy = || Reaction::with_headers(503, "retry-after: 0\r\n", "{}");
    let race = race_of_twenty(start_failing_at_first(u32::MAX, busy).await).await;
    assert_eq!((race.gave_up, race.requests, race.shed), (20, 200, 200));
    assert!(!Verdict::of(&race, Some(20)).holds());
}

#[tokio::test]
async fn an_oversized_answer_is_not_read() {
    let huge = || Reaction::answer(201, "x".repeat(openrun_load::connection::BODY_LIMIT_BYTES + 1));
    let race = race_of_twenty(start_failing_at_first(1, huge).await).await;
    assert_eq!(race.unknown, 20);
    assert_all_hold_a_coupon(&race);
}

#[tokio::test]
async fn without_a_connection_no_request_is_counted() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::from(listener.local_addr().unwrap());
    drop(listener);
    let race = race_of_twenty(target).await;
    assert_eq!((race.requests, race.unknown, race.gave_up), (0, 200, 20));
}
