//! A server that keeps the promise: the report says so, and counts every answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use openrun_load::{NoProgress, Progress, Snapshot, Verdict, issued_answers, race};
use tokio::sync::Barrier;

use crate::server::{Book, Issues, Reaction, Seen, config, run, start};

#[tokio::test]
async fn every_coupon_is_told_once_and_everybody_else_is_refused() {
    let target = start(Book::new(100)).await;
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
async fn members_who_ask_in_a_second_race_get_their_coupons_again() {
    let target = start(Book::new(50)).await;
    let first = run(config(target.clone(), 50)).await;
    let mut second = run(config(target, 50)).await;
    assert_eq!((first.issued_first, second.issued_first), (50, 0));
    second.issued_answers.extend(first.issued_answers);
    assert_eq!(issued_answers::count_distinct(&second.issued_answers), (50, 50));
}

/// Answers nobody before both clicks have arrived: without two requests in flight nothing would ever be answered.
struct BothOrNone {
    book: Book,
    pairs: Mutex<HashMap<String, Arc<Barrier>>>,
}

impl Issues for BothOrNone {
    async fn issue(&self, member: &str) -> Reaction {
        let pair = {
            let mut pairs = self.pairs.lock().expect("no test panics with the pairs in hand");
            Arc::clone(pairs.entry(member.to_owned()).or_insert_with(|| Arc::new(Barrier::new(2))))
        };
        pair.wait().await;
        self.book.react(member)
    }
}

#[tokio::test]
async fn a_double_click_is_two_requests_at_the_same_time_and_one_coupon() {
    let target = start(BothOrNone { book: Book::new(200), pairs: Mutex::default() }).await;
    let mut config = config(target, 200);
    config.double_click = 1.0;
    let race = run(config).await;
    assert_eq!((race.issued_first, race.repeated, race.unknown), (200, 200, 0));
    assert_eq!(race.issued_answers.len(), 400);
    let mut codes: HashMap<&str, Vec<&str>> = HashMap::new();
    for told in &race.issued_answers {
        codes.entry(&told.member_id).or_default().push(&told.code);
    }
    assert!(codes.values().all(|codes| codes.len() == 2 && codes[0] == codes[1]));
    assert_eq!(Verdict::of(&race, Some(200)), Verdict::Holds);
}

/// Closes the connection after every answer, as a server may.
struct OneAnswerAConnection(Book);

impl Issues for OneAnswerAConnection {
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
async fn a_connection_that_was_closed_properly_is_opened_again_and_counts_as_nothing() {
    let race = run(config(start(OneAnswerAConnection(Book::new(10))).await, 100)).await;
    assert_eq!((race.requests, race.unknown, race.issued_first), (110, 0, 10));
}

#[derive(Default)]
struct Watcher(Mutex<Vec<Snapshot>>);

impl Progress for Watcher {
    fn show(&self, now: &Snapshot) {
        self.0.lock().expect("nobody panics while watching").push(*now);
    }
}

#[tokio::test]
async fn a_watcher_sees_the_race_from_beginning_to_end() {
    let watcher = Watcher::default();
    let target = start(Book::new(10)).await;
    race::run(config(target, 100), &watcher).await.unwrap();
    let seen = watcher.0.into_inner().unwrap();
    let last = seen.last().unwrap();
    assert_eq!((last.members, last.members_done, last.requests, last.winners), (100, 100, 110, 10));
    assert!(seen.is_sorted_by_key(|snapshot| snapshot.requests));
}

/// Never gives anybody an answer, and lets the test know that somebody asked.
struct AlwaysBusy(tokio::sync::mpsc::UnboundedSender<()>, Seen);

impl Issues for AlwaysBusy {
    async fn issue(&self, member: &str) -> Reaction {
        if self.1.count(member) == 2 {
            let _nobody_listens_any_more = self.0.send(());
        }
        Reaction::with_headers(503, "retry-after: 0\r\n", "{}")
    }
}

#[tokio::test]
async fn a_race_that_is_ended_early_reports_what_happened_and_blames_nobody() {
    let (sender, mut asked_again) = tokio::sync::mpsc::unbounded_channel();
    let target = start(AlwaysBusy(sender, Seen::default())).await;
    let mut config = config(target, 1_000_000);
    config.patience.attempts = u32::MAX;
    let stop = async move { asked_again.recv().await.unwrap_or_default() };
    let race = race::run_until(config, &NoProgress, stop).await.unwrap();
    assert!(race.stopped_early && race.members < 1_000);
    assert!(race.shed >= 2);
    assert_eq!(race.gave_up, 0);
}
