//! Dead letters: reading them loses nothing, and they leave only when they are replayed or discarded.

use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use openrun::domain::MemberId;
use openrun::messaging::rabbitmq::{CONTENT_TYPE, RabbitLetters, encode};
use openrun::ports::{
    CouponIssued, DeadLetter, DeadLetters, EventBus, EventStream, LetterCounts, LetterEventKind,
};

use crate::fixtures::{Stage, event, events, next, nothing};

fn letters(stage: &Stage) -> RabbitLetters {
    RabbitLetters::new(stage.settings.clone())
}

/// Publishes and rejects events with these sequences.
async fn reject_all(stage: &Stage, sequences: std::ops::RangeInclusive<u32>, reason: &str) {
    let count = sequences.clone().count();
    stage.bus().publish(&events(sequences)).await.expect("it is confirmed");
    let mut stream = stage.stream(100).await;
    for _ in 0..count {
        let delivery = next(&mut stream).await;
        let letter = stream.reject(delivery.tag, reason).await.expect("it is dead-lettered");
        assert_eq!(letter.as_deref(), delivery.event.as_ref().ok().map(|event| event.issuance.code.as_str()));
    }
}

fn code(sequence: u32) -> String {
    event(sequence).issuance.code.as_str().to_owned()
}

fn ids(letters: &[DeadLetter]) -> Vec<&str> {
    letters.iter().map(|letter| letter.id.as_str()).collect()
}

#[tokio::test]
async fn a_letter_has_its_content_and_the_reason() {
    let stage = Stage::shared();
    let letters = letters(&stage);
    assert_eq!(letters.list(100).await.unwrap(), []);
    reject_all(&stage, 7..=7, "its coupon is not known").await;
    let hand = stage.hand().await;
    hand.publish(&stage.names.dead_letters(), b"\xff not ours").await;

    let found = letters.list(100).await.unwrap();
    let [letter, foreign] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(letter.id, code(7));
    assert_eq!(letter.coupon_id.as_ref().map(ToString::to_string).as_deref(), Some("drop"));
    assert_eq!(letter.member_id.as_ref().map(MemberId::as_str), Some("member-7"));
    assert_eq!(letter.sequence, Some(7));
    assert_eq!(letter.reason, "its coupon is not known");
    assert_eq!(letter.payload.as_deref().map(str::as_bytes), Some(&*encode(&event(7))));
    let [died] = letter.history.as_slice() else { panic!("{letter:?}") };
    assert_eq!((died.what, died.at), (LetterEventKind::Rejected, letter.died_at));
    assert!(died.at.is_some_and(|at| at.as_ms() > 1_795_000_000_000), "{died:?}");

    assert!(foreign.id.starts_with("body-") && foreign.payload.is_none(), "{foreign:?}");
    assert_eq!((&foreign.coupon_id, foreign.died_at, foreign.payload_bytes), (&None, None, 10));
    assert_eq!(letters.find(&foreign.id).await.unwrap().as_ref(), Some(foreign));
    assert_eq!(letters.find("nobody").await.unwrap(), None);
}

#[tokio::test]
async fn a_letter_of_the_broker_has_a_reason_too() {
    let stage = Stage::shared();
    stage.bus().publish(&events([1])).await.unwrap();
    let hand = stage.hand().await;
    // Requeued until the delivery limit.
    let (queue, dead) = (stage.names.issuances(), stage.names.dead_letters());
    hand.requeue_until_dead(&queue, &dead).await;
    hand.until_ready(&dead, 1).await;
    let found = letters(&stage).list(100).await.unwrap();
    assert_eq!(ids(&found), [code(1)]);
    assert!(found[0].reason.contains("too often"), "{found:?}");
    let [given_up] = found[0].history.as_slice() else { panic!("{found:?}") };
    assert_eq!((given_up.what, given_up.queue.as_ref()), (LetterEventKind::GivenUp, Some(&queue)));
    assert!(given_up.at.is_some() && given_up.count >= 1, "{given_up:?}");
}

#[tokio::test]
async fn listing_two_hundred_times_loses_nothing_and_keeps_the_order() {
    let stage = Stage::shared();
    reject_all(&stage, 1..=12, "for the test").await;
    let letters = letters(&stage);
    let all: Vec<String> = (1..=12).map(code).collect();
    for round in 0..200 {
        // Some of them, all of them by a larger limit, or exactly all.
        let limit = [5, 100, 12][round % 3];
        let found = letters.list(limit).await.unwrap();
        assert_eq!(ids(&found), all[..limit.min(12)], "round {round}");
    }
    assert!(letters.find(&code(12)).await.unwrap().is_some());
    stage.hand().await.until_ready(&stage.names.dead_letters(), 12).await;
}

#[tokio::test]
async fn a_replayed_letter_is_delivered_and_returns_with_a_longer_history() {
    let stage = Stage::shared();
    reject_all(&stage, 1..=3, "the first time").await;
    let letters = letters(&stage);
    assert_eq!(letters.replay("nobody").await.unwrap(), None);
    assert_eq!(letters.replay(&code(2)).await.unwrap(), Some(LetterCounts { done: 1, left: 2 }));
    assert_eq!(letters.replay(&code(2)).await.unwrap(), None, "it has left the dead letters");
    assert_eq!(ids(&letters.list(100).await.unwrap()), [code(1), code(3)]);

    let mut stream = stage.stream(10).await;
    let again = next(&mut stream).await;
    assert_eq!(again.event.as_ref().unwrap(), &event(2));
    stream.reject(again.tag, "the second time").await.unwrap();
    nothing(&mut stream).await;
    let letter = letters.find(&code(2)).await.unwrap().expect("it is dead again");
    let what: Vec<_> = letter.history.iter().map(|event| (event.what, event.reason.as_str())).collect();
    let replayed = (LetterEventKind::Replayed, "an operator replayed it");
    let (first, second) = (LetterEventKind::Rejected, LetterEventKind::Rejected);
    assert_eq!(what, [(first, "the first time"), replayed, (second, "the second time")]);
    assert_eq!((letter.reason.as_str(), letter.died_at), ("the second time", letter.history[0].at));

    // All of them, the oldest first, two at a time.
    assert_eq!(letters.replay_all(2).await.unwrap(), LetterCounts { done: 2, left: 1 });
    assert_eq!(letters.replay_all(2).await.unwrap(), LetterCounts { done: 1, left: 0 });
    assert_eq!(letters.replay_all(2).await.unwrap(), LetterCounts { done: 0, left: 0 });
    for sequence in [1, 3, 2] {
        let delivery = next(&mut stream).await;
        assert_eq!(delivery.event.unwrap(), event(sequence));
        stream.ack(&[delivery.tag]).await.unwrap();
    }
}

#[tokio::test]
async fn a_discarded_letter_is_gone_with_its_copies_but_not_another_of_its_id() {
    let stage = Stage::shared();
    reject_all(&stage, 1..=2, "for the test").await;
    reject_all(&stage, 1..=1, "delivered twice").await;
    // Same id, other content.
    let hand = stage.hand().await;
    let properties = BasicProperties::default().with_message_id(code(1).as_str().into());
    let dead = stage.names.dead_letters();
    let sent = hand.channel.basic_publish(
        "".into(),
        dead.as_str().into(),
        BasicPublishOptions::default(),
        b"another",
        properties.with_content_type(CONTENT_TYPE.into()),
    );
    sent.await.unwrap().await.unwrap();
    let letters = letters(&stage);
    let (letter, settled) = letters.discard(&code(1)).await.unwrap().expect("it is there");
    assert_eq!((letter.sequence, letter.copies, settled), (Some(1), 2, LetterCounts { done: 1, left: 2 }));
    let left = letters.list(100).await.unwrap();
    assert_eq!(ids(&left), [code(2), code(1)]);
    assert_eq!(left[1].payload.as_deref(), Some("another"));
    assert!(letters.discard(&code(1)).await.unwrap().is_some());
    assert_eq!(letters.discard(&code(1)).await.unwrap(), None);
    hand.until_ready(&dead, 1).await;
}

#[tokio::test]
async fn a_letter_with_copies_is_replayed_once_and_removed_whole() {
    let stage = Stage::shared();
    reject_all(&stage, 1..=3, "for the test").await;
    reject_all(&stage, 1..=2, "once more").await;
    // The sweep publishes without a trace.
    let untraced = CouponIssued { traceparent: None, ..event(1) };
    stage.bus().publish(&[untraced]).await.unwrap();
    let mut stream = stage.stream(10).await;
    let delivery = next(&mut stream).await;
    stream.reject(delivery.tag, "once more").await.unwrap();
    let (letters, hand) = (letters(&stage), stage.hand().await);
    let copies = |letters: &[DeadLetter]| letters.iter().map(|letter| letter.copies).collect::<Vec<_>>();
    let found = letters.list(100).await.unwrap();
    assert_eq!((ids(&found), copies(&found)), (vec![&*code(1), &*code(2), &*code(3)], vec![3, 2, 1]));
    assert_eq!(ids(&letters.list(2).await.unwrap()), [code(1), code(2)], "a limit counts letters");
    assert_eq!(letters.find(&code(1)).await.unwrap().map(|letter| letter.copies), Some(3));

    assert_eq!(letters.replay(&code(1)).await.unwrap(), Some(LetterCounts { done: 1, left: 2 }));
    let again = next(&mut stream).await;
    assert_eq!(again.event.unwrap().issuance, event(1).issuance);
    nothing(&mut stream).await;
    stream.ack(&[again.tag]).await.unwrap();
    hand.until_ready(&stage.names.dead_letters(), 3).await;
    assert_eq!(letters.replay_all(1).await.unwrap(), LetterCounts { done: 1, left: 1 });
    hand.until_ready(&stage.names.dead_letters(), 1).await;
    let again = next(&mut stream).await;
    assert_eq!(again.event.unwrap().issuance, event(2).issuance);
    nothing(&mut stream).await;
    assert_eq!(ids(&letters.list(100).await.unwrap()), [code(3)]);
}

/// Calls from eight nodes at once: none misses a letter, and each letter leaves once.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_operators_lose_nothing_and_do_nothing_twice() {
    let stage = Stage::shared();
    reject_all(&stage, 1..=8, "for the test").await;
    let lookups = (0..4).map(|_| {
        let letters = letters(&stage);
        tokio::spawn(async move { letters.find(&code(8)).await.unwrap().map(|letter| letter.id) })
    });
    for lookup in futures_util::future::join_all(lookups).await {
        assert_eq!(lookup.unwrap(), Some(code(8)), "a letter that another call holds is found all the same");
    }
    // Two calls discard the same letter, others replay other ones.
    let discards = [1, 1, 2, 2].map(|n| (letters(&stage), n));
    let discards =
        discards.map(async |(letters, n)| letters.discard(&code(n)).await.unwrap().map(|(_, s)| s.done));
    let replays = [3, 3, 4, 4].map(|n| (letters(&stage), n));
    let replays = replays.map(async |(letters, n)| letters.replay(&code(n)).await.unwrap().map(|s| s.done));
    let (discards, replays) = futures_util::future::join(
        futures_util::future::join_all(discards),
        futures_util::future::join_all(replays),
    )
    .await;
    for done in [discards, replays] {
        assert_eq!(done.iter().flatten().sum::<usize>(), 2, "each of two once: {done:?}");
        assert_eq!(done.iter().filter(|done| done.is_some()).count(), 2, "{done:?}");
    }
    let left = letters(&stage).list(100).await.unwrap();
    assert_eq!(ids(&left), (5..=8).map(code).collect::<Vec<_>>());
    stage.hand().await.until_ready(&stage.names.issuances(), 2).await;
}
