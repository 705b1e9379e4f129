//! A correct server: the verdict holds, and every answer is counted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use openrun_load::{NoProgress, Progress, Snapshot, Verdict, issued_answers, race};
use tokio::sync::Barrier;

use crate::server::{CorrectServer, IssueHandler, Reaction, RequestCounter, config, run, start};

#[tokio::test]
async fn every_coupon_is_issued_once_and_all_other_members_are_rejected() {
    let target = start(CorrectServer::new(100)).await;
    let race = run(config(target, 2_000)).await;
    assert_eq!(race.issued_first, 100);
    assert_eq!(issued_answers::count_distinct(&race.issued_answers), (100, 100));
    assert_eq!((race.members, race.requests), (2_000, 2_200));
    assert_eq!(race.issued_first + race.repeated + race.sold_out, 2_200);
    assert_eq!(race.issued_answers.len() as u64, race.issued_first + race.repeated);
    assert_eq!(race.latency.count(), 2_200);
    assert_eq!((race.gave_up, race.unexpected, race.unknown, race.shed), (0, 0, 0, 0));
    assert!(!race.stopped_early);
    assert_eq!(Verdict::of(&race, Some(100)), Verdict::Holds);
}

#[tokio::test]
async fn members_of_a_second_race_get_their_coupons_again() {
    let target = start(CorrectServer::new(50)).await;
    let first = run(config(target.clone(), 50)).await;
    let mut second = run(config(target, 50)).await;
    assert_eq!((first.issued_first, second.issued_first), (50, 0));
    second.issued_answers.extend(first.issued_answers);
    assert_eq!(issued_answers::count_distinct(&second.issued_answers), (50, 50));
}

/// Answers only after both clicks of a member have arrived: without two requests in flight, no answer would
/// ever come.
struct BothOrNone {
    server: CorrectServer,
    pairs: Mutex<HashMap<String, Arc<Barrier>>>,
}

impl IssueHandler for BothOrNone {
    async fn issue(&self, member: &str) -> Reaction {
        let pair = {
            let mut pairs = self.pairs.lock().expect("no test panics while it holds the lock");
            Arc::clone(pairs.entry(member.to_owned()).or_insert_with(|| Arc::new(Barrier::new(2))))
        };
        pair.wait().await;
        self.server.react(member)
    }
}

#[tokio::test]
async fn a_double_click_is_two_requests_at_the_same_time_and_one_coupon() {
    let target = start(BothOrNone { server: CorrectServer::new(200), pairs: Mutex::default() }).await;
    let mut config = config(target, 200);
    config.double_click = 1.0;
    let race = run(config).await;
    assert_eq!((race.issued_first, race.repeated, race.unknown), (200, 200, 0));
    assert_eq!(race.issued_answers.len(), 400);
    let mut codes: HashMap<&str, Vec<&str>> = HashMap::new();
    for answer in &race.issued_answers {
        codes.entry(&answer.member_id).or_default().push(&answer.code);
    }
    assert!(codes.values().all(|codes| codes.len() == 2 && codes[0] == codes[1]));
    assert_eq!(Verdict::of(&race, Some(200)), Verdict::Holds);
}

/// Closes the connection after every answer, as a server may.
struct OneAnswerAConnection(CorrectServer);

impl IssueHandler for OneAnswerAConnection {
    async fn issue(&self, member: &str) -> Reaction {
        match self.0.react(member) {
            Reaction::Answer { status, body, .. } => {
                Reaction::with_headers(status, "connection: close\r\n", body)
            }
            other => other,
        }
    }
}

#[tokio::test]
async fn a_properly_closed_connection_is_reopened_and_not_counted() {
    let race = run(config(start(OneAnswerAConnection(CorrectServer::new(10))).await, 100)).await;
    assert_eq!((race.requests, race.unknown, race.issued_first), (110, 0, 10));
}

#[derive(Default)]
struct RecordingProgress(Mutex<Vec<Snapshot>>);

impl Progress for RecordingProgress {
    fn show(&self, now: &Snapshot) {
        self.0.lock().expect("no test panics while it holds the lock").push(*now);
    }
}

#[tokio::test]
async fn progress_is_reported_from_beginning_to_end() {
    let progress = RecordingProgress::default();
    let target = start(CorrectServer::new(10)).await;
    race::run(config(target, 100), &progress).await.unwrap();
    let snapshots = progress.0.into_inner().unwrap();
    let last = snapshots.last().unwrap();
    assert_eq!((last.members, last.members_done, last.requests, last.holders), (100, 100, 110, 10));
    assert!(snapshots.is_sorted_by_key(|snapshot| snapshot.requests));
}

/// Sheds every request, and notifies the test of the first repeated one.
struct AlwaysBusy(tokio::sync::mpsc::UnboundedSender<()>, RequestCounter);

impl IssueHandler for AlwaysBusy {
    async fn issue(&self, member: &str) -> Reaction {
        if self.1.count(member) == 2 {
            let _receiver_gone = self.0.send(());
        }
        Reaction::with_headers(503, "retry-after: 0\r\n", "{}")
    }
}

#[tokio::test]
async fn a_race_ended_early_reports_its_counts_and_no_violation() {
    let (sender, mut asked_again) = tokio::sync::mpsc::unbounded_channel();
    let target = start(AlwaysBusy(sender, RequestCounter::default())).await;
    let mut config = config(target, 1_000_000);
    config.retry.attempts = u32::MAX;
    let stop = async move { asked_again.recv().await.unwrap_or_default() };
    let race = race::run_until(config, &NoProgress, stop).await.unwrap();
    assert!(race.stopped_early && race.members < 1_000);
    assert!(race.shed >= 2);
    assert_eq!(race.gave_up, 0);
}
