//! Servers that are unwell but honest: an unknown outcome is asked again until it is known.

use std::time::Duration;

use openrun_load::{RaceReport, Target, Verdict, issued_answers};

use crate::server::{Book, Issues, Reaction, Seen, config, run, start};

/// Enters the member first, and then does something else than to say so, as often as told.
struct Unwell<F> {
    book: Book,
    seen: Seen,
    times: u32,
    instead: F,
}

impl<F: Fn() -> Reaction + Send + Sync + 'static> Issues for Unwell<F> {
    async fn issue(&self, member: &str) -> Reaction {
        let entered = self.book.react(member);
        if self.seen.count(member) <= self.times { (self.instead)() } else { entered }
    }
}

async fn unwell(times: u32, instead: impl Fn() -> Reaction + Send + Sync + 'static) -> Target {
    start(Unwell { book: Book::new(20), seen: Seen::default(), times, instead }).await
}

/// Everybody holds a coupon in the end, although nobody was told when it was issued.
fn assert_all_were_told(race: &RaceReport) {
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
async fn a_lost_connection_is_asked_again() {
    let race = race_of_twenty(unwell(1, || Reaction::HangUp).await).await;
    assert_eq!((race.unknown, race.requests), (20, 40));
    assert_all_were_told(&race);
}

#[tokio::test]
async fn half_an_answer_is_no_answer() {
    let race = race_of_twenty(unwell(2, || Reaction::HalfAnAnswer).await).await;
    assert_eq!((race.unknown, race.requests), (40, 60));
    assert_all_were_told(&race);
}

#[tokio::test]
async fn a_request_that_hangs_times_out_and_is_asked_again() {
    let mut config = config(unwell(1, || Reaction::Hang).await, 20);
    config.double_click = 0.0;
    config.request_timeout = Duration::from_millis(300);
    let race = run(config).await;
    assert!(race.unknown >= 20, "{}", race.unknown);
    assert_all_were_told(&race);
}

#[tokio::test]
async fn a_request_that_was_shed_is_asked_again() {
    let busy = || Reaction::with_headers(503, "retry-after: 0\r\n", r#"{"code":"recovering"}"#);
    let race = race_of_twenty(unwell(3, busy).await).await;
    assert_eq!((race.shed, race.unknown, race.requests), (60, 0, 80));
    assert_all_were_told(&race);
}

#[tokio::test]
async fn a_long_delay_is_cut_to_what_the_race_allows() {
    let busy = || Reaction::with_headers(429, "Retry-After: 86400\r\n", "{}");
    let mut config = config(unwell(1, busy).await, 20);
    config.double_click = 0.0;
    config.patience.retry_after_cap = Duration::from_millis(1);
    let race = run(config).await;
    assert_eq!(race.shed, 20);
    assert_all_were_told(&race);
}

#[tokio::test]
async fn who_is_never_answered_gives_up_and_that_breaks_the_promise() {
    let busy = || Reaction::with_headers(503, "retry-after: 0\r\n", "{}");
    let race = race_of_twenty(unwell(u32::MAX, busy).await).await;
    assert_eq!((race.gave_up, race.requests, race.shed), (20, 200, 200));
    assert!(!Verdict::of(&race, Some(20)).holds());
}

#[tokio::test]
async fn an_answer_too_large_to_be_one_is_not_read() {
    let huge = || Reaction::answer(201, "x".repeat(openrun_load::connection::BODY_LIMIT_BYTES + 1));
    let race = race_of_twenty(unwell(1, huge).await).await;
    assert_eq!(race.unknown, 20);
    assert_all_were_told(&race);
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::from(listener.local_addr().unwrap());
    drop(listener);
    let race = race_of_twenty(target).await;
    assert_eq!((race.requests, race.unknown, race.gave_up), (0, 200, 20));
}
