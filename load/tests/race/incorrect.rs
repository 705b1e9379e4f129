//! Servers that break an invariant: each violation is found and named.

use openrun_load::{RaceReport, Verdict, issued_answers, issued_answers::Violation};

use crate::server::{CorrectServer, IssueHandler, Reaction, RequestCounter, code, config, run, start};

/// A server that changes the answers of a correct one.
struct IncorrectServer<F> {
    server: CorrectServer,
    change: F,
}

impl<F: Fn(&str, u32, bool) -> Reaction + Send + Sync + 'static> IssueHandler for IncorrectServer<F> {
    async fn issue(&self, member: &str) -> Reaction {
        match self.server.enter(member) {
            Some((sequence, first)) => (self.change)(member, sequence, first),
            None => Reaction::sold_out(),
        }
    }
}

/// A race in which all members click twice, against a server with ten coupons.
async fn race(
    members: u64,
    change: impl Fn(&str, u32, bool) -> Reaction + Send + Sync + 'static,
) -> (RaceReport, Vec<Violation>) {
    let target = start(IncorrectServer { server: CorrectServer::new(10), change }).await;
    let mut config = config(target, members);
    config.double_click = 1.0;
    let race = run(config).await;
    let violations = issued_answers::find_violations(&race.issued_answers, Some(10));
    assert!(!Verdict::of(&race, Some(10)).holds());
    (race, violations)
}

fn status(first: bool) -> u16 {
    if first { 201 } else { 200 }
}

#[tokio::test]
async fn an_oversold_sequence_is_found() {
    let (_, violations) = race(20, |member, sequence, first| {
        let sequence = sequence.min(9);
        Reaction::issued(status(first), member, sequence, &format!("{}-{member}", code(sequence)))
    })
    .await;
    assert!(matches!(&violations[..], [Violation::SequenceTwice { sequence: 9, .. }, ..]), "{violations:?}");
}

#[tokio::test]
async fn another_code_for_the_second_click_is_found() {
    let (_, violations) = race(20, |member, sequence, first| {
        Reaction::issued(status(first), member, sequence, &format!("{sequence}-{first}"))
    })
    .await;
    let another = violations.iter().filter(|v| matches!(v, Violation::TwoCoupons { .. })).count();
    assert_eq!(another, 10, "{violations:?}");
}

#[tokio::test]
async fn one_code_for_all_members_is_found() {
    let (_, violations) =
        race(20, |member, sequence, first| Reaction::issued(status(first), member, sequence, "SAME")).await;
    assert!(violations.iter().any(|v| matches!(v, Violation::CodeTwice { .. })), "{violations:?}");
}

#[tokio::test]
async fn a_sequence_beyond_the_total_is_found() {
    let (_, violations) = race(20, |member, sequence, first| {
        Reaction::issued(status(first), member, sequence + 1, &code(sequence))
    })
    .await;
    assert!(
        violations.iter().all(|v| matches!(v, Violation::OutOfRange { sequence: 11, total: 10, .. })),
        "{violations:?}"
    );
    assert_eq!(violations.len(), 2, "one for each click");
}

#[tokio::test]
async fn serving_the_last_first_is_found() {
    let target = start(IncorrectServer {
        server: CorrectServer::new(10),
        change: |member: &str, sequence: u32, first: bool| {
            Reaction::issued(status(first), member, 11 - sequence, &code(11 - sequence))
        },
    })
    .await;
    let mut config = config(target, 10);
    config.clients = 1;
    let race = run(config).await;
    let violations = issued_answers::find_violations(&race.issued_answers, Some(10));
    assert!(
        !violations.is_empty() && violations.iter().all(|v| matches!(v, Violation::OutOfOrder { .. })),
        "{violations:?}"
    );
}

#[tokio::test]
async fn the_answer_for_another_member_is_unexpected_and_not_recorded() {
    let (race, _) =
        race(5, |_, sequence, first| Reaction::issued(status(first), "eve", sequence, &code(sequence))).await;
    assert_eq!((race.unexpected, race.issued_answers.len()), (10, 0));
    assert!(race.unexpected_examples[0].contains("got the answer for member eve"), "{race:?}");
    assert_eq!(race.unexpected_examples.len(), 5);
}

#[tokio::test]
async fn a_rejection_of_a_holder_is_unexpected() {
    let (race, _) = race(5, |member, sequence, first| {
        if first { Reaction::issued(201, member, sequence, &code(sequence)) } else { Reaction::sold_out() }
    })
    .await;
    assert_eq!((race.unexpected, race.issued_first, race.sold_out), (5, 5, 5));
    assert!(race.unexpected_examples[0].contains("sold_out although it holds a coupon"), "{race:?}");
}

#[tokio::test]
async fn a_shed_request_without_retry_after_is_unexpected() {
    let requests = RequestCounter::default();
    let (race, _) = race(5, move |member, sequence, first| {
        if requests.count(member) == 1 {
            Reaction::answer(503, r#"{"code":"overloaded"}"#)
        } else {
            Reaction::issued(status(first), member, sequence, &code(sequence))
        }
    })
    .await;
    assert_eq!((race.shed, race.unexpected, race.gave_up), (5, 5, 0));
    assert_eq!(race.unexpected_examples[0], "503 without Retry-After in seconds");
}

#[tokio::test]
async fn an_answer_outside_of_the_contract_is_final_unless_the_server_failed() {
    let (refused, _) = race(5, |_, _, _| Reaction::answer(404, "who?")).await;
    assert_eq!((refused.unexpected, refused.requests, refused.gave_up), (10, 10, 0));
    let (failed, _) = race(5, |_, _, _| Reaction::answer(500, "oops")).await;
    assert_eq!((failed.unexpected, failed.requests, failed.gave_up), (100, 100, 5));
}
