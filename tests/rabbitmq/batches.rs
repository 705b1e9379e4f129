//! Several issuances in one message: delivered one by one, acknowledged together, and each rejected alone.

use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use openrun::messaging::rabbitmq::{
    BATCH_CONTENT_TYPE, BATCH_READ_EVENTS_MAX, CONTENT_TYPE, RabbitLetters, encode, encode_batches,
};
use openrun::ports::{DeadLetters, Delivery, EventStream, LetterCounts, LetterEventKind};

use crate::fixtures::{Hand, Stage, event, events, next, nothing};

/// Publishes a batch unchanged, with the properties that a node would set.
async fn publish_batch(hand: &Hand, stage: &Stage, payload: &[u8]) {
    let properties = BasicProperties::default()
        .with_content_type(BATCH_CONTENT_TYPE.into())
        .with_message_id(event(1).issuance.code.as_str().into());
    let (exchange, options) = (stage.names.issuances(), BasicPublishOptions::default());
    let sent =
        hand.channel.basic_publish(exchange.into(), "coupon.issued".into(), options, payload, properties);
    sent.await.expect("it is sent").await.expect("it is confirmed");
}

/// Publishes the issuances 1 to `count` as one batch.
async fn batch_of(stage: &Stage, count: u32) -> Hand {
    stage.ready_bus().await;
    let (events, hand) = (events(1..=count), stage.hand().await);
    let [(_, payload)] = encode_batches(&events).try_into().expect("it is one");
    publish_batch(&hand, stage, &payload).await;
    hand
}

async fn take(stream: &mut impl EventStream, count: u32) -> Vec<Delivery> {
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(next(stream).await);
    }
    found
}

fn sequences(deliveries: &[Delivery]) -> Vec<u32> {
    deliveries
        .iter()
        .map(|delivery| delivery.event.as_ref().expect("it can be read").issuance.sequence)
        .collect()
}

#[tokio::test]
async fn a_message_is_redelivered_as_a_whole_until_all_of_it_is_acknowledged() {
    let stage = Stage::shared();
    let hand = batch_of(&stage, 5).await;
    let mut stream = stage.stream(1).await;
    let deliveries = take(&mut stream, 5).await;
    assert_eq!(sequences(&deliveries), [1, 2, 3, 4, 5]);
    nothing(&mut stream).await;
    // All but the last, and all but the first.
    for answered in [0..4, 1..5] {
        drop(stream);
        hand.until_ready(&stage.names.issuances(), 1).await;
        stream = stage.stream(1).await;
        let deliveries = take(&mut stream, 5).await;
        assert_eq!(sequences(&deliveries), [1, 2, 3, 4, 5]);
        let tags: Vec<_> = deliveries[answered].iter().map(|delivery| delivery.tag).collect();
        stream.ack(&tags).await.unwrap();
        nothing(&mut stream).await;
    }
    drop(stream);
    let mut stream = stage.stream(1).await;
    for delivery in take(&mut stream, 5).await {
        stream.ack(&[delivery.tag]).await.unwrap();
        stream.ack(&[delivery.tag]).await.unwrap();
    }
    nothing(&mut stream).await;
    drop(stream);
    hand.until_ready(&stage.names.issuances(), 0).await;
}

#[tokio::test]
async fn a_poison_event_is_dead_lettered_alone_and_unchanged() {
    let stage = Stage::shared();
    let bus = stage.ready_bus().await;
    let hand = stage.hand().await;
    let poison = br#"{ "id": "n0t-0urs",  "type": "something" }"#;
    let payload = [b"[", &*encode(&event(1)), b", ", poison, b" ,7,", &encode(&event(2)), b"]"].concat();
    publish_batch(&hand, &stage, &payload).await;

    let mut stream = stage.stream(10).await;
    let deliveries = take(&mut stream, 4).await;
    for bad in &deliveries[1..=2] {
        let reason = bad.event.as_ref().unwrap_err().clone();
        assert!(stream.reject(bad.tag, &reason).await.unwrap().is_some());
        assert_eq!(stream.reject(bad.tag, "a second time").await.unwrap(), None);
    }
    assert_eq!(deliveries[3].event, Ok(event(2)), "the next event is readable");
    // A readable event can be rejected too.
    stream.reject(deliveries[3].tag, "its coupon is not known").await.unwrap();
    nothing(&mut stream).await;
    stream.ack(&[deliveries[0].tag]).await.unwrap();
    nothing(&mut stream).await;
    drop(stream);

    hand.until_ready(&stage.names.issuances(), 0).await;
    hand.until_ready(&stage.names.dead_letters(), 3).await;
    let second = event(2);
    let expected = [
        (&poison[..], Some("n0t-0urs"), "no CloudEvent"),
        (b"7", None, "no CloudEvent"),
        (&encode(&second), Some(second.issuance.code.as_str()), "its coupon is not known"),
    ];
    for (text, id, why) in expected {
        let dead = hand.take(&stage.names.dead_letters()).await.unwrap();
        assert_eq!(dead.data, text);
        let properties = &dead.properties;
        assert_eq!(properties.content_type().as_ref().unwrap().as_str(), CONTENT_TYPE);
        assert_eq!(properties.message_id().as_ref().map(lapin::types::ShortString::as_str), id);
        assert_eq!(*properties.delivery_mode(), Some(2), "persistent");
        let headers = properties.headers().as_ref().unwrap();
        let history = headers.inner().get("openrun-history").and_then(|value| value.as_long_string());
        assert!(String::from_utf8_lossy(history.unwrap().as_bytes()).contains(why), "{headers:?}");
    }
    assert_eq!(openrun::ports::EventBus::backlog(&bus).await.unwrap(), 0);
}

#[tokio::test]
async fn an_unreadable_batch_is_dead_lettered_unchanged() {
    let stage = Stage::shared();
    stage.ready_bus().await;
    let hand = stage.hand().await;
    let many = format!("[{}0]", "0,".repeat(BATCH_READ_EVENTS_MAX));
    let unreadable = [b"[".to_vec(), b"[]".to_vec(), b"\xff".to_vec(), many.into_bytes()];
    let mut stream = stage.stream(10).await;
    for payload in &unreadable {
        publish_batch(&hand, &stage, payload).await;
        let whole = next(&mut stream).await;
        stream.reject(whole.tag, &whole.event.unwrap_err()).await.unwrap();
        nothing(&mut stream).await;
        let dead = hand.take(&stage.names.dead_letters()).await.unwrap();
        assert_eq!(&dead.data, payload);
        assert_eq!(dead.properties.content_type().as_ref().unwrap().as_str(), BATCH_CONTENT_TYPE);
    }
    drop(stream);
    hand.until_ready(&stage.names.issuances(), 0).await;
}

/// A batch that kills its consumer keeps its healthy events: the operator sees their count and replays all of them.
#[tokio::test]
async fn a_batch_that_was_redelivered_too_often_is_one_letter_and_is_replayed_unchanged() {
    let stage = Stage::shared();
    let hand = batch_of(&stage, 3).await;
    let (queue, dead) = (stage.names.issuances(), stage.names.dead_letters());
    hand.requeue_until_dead(&queue, &dead).await;
    hand.until_ready(&dead, 1).await;
    let letters = RabbitLetters::new(stage.settings.clone());
    let [letter] = letters.list(10).await.unwrap().try_into().unwrap();
    assert!(letter.reason.starts_with("a batch of 3 issuances: it was redelivered too often"), "{letter:?}");
    assert!(letter.id.starts_with("body-"), "the id is not the code of one issuance: {letter:?}");
    assert_eq!((letter.sequence, letter.history[0].what), (None, LetterEventKind::GivenUp));
    assert_eq!(letters.find(&letter.id).await.unwrap().as_ref(), Some(&letter));
    assert_eq!(letters.find(event(1).issuance.code.as_str()).await.unwrap(), None);

    assert_eq!(letters.replay(&letter.id).await.unwrap(), Some(LetterCounts { done: 1, left: 0 }));
    let mut stream = stage.stream(10).await;
    let deliveries = take(&mut stream, 3).await;
    assert_eq!(sequences(&deliveries), [1, 2, 3]);
    hand.until_ready(&dead, 0).await;
    stream.reject(deliveries[1].tag, "for the test").await.unwrap();
    hand.until_ready(&dead, 1).await;
    stream.ack(&[deliveries[0].tag, deliveries[2].tag]).await.unwrap();
    let [one] = letters.list(10).await.unwrap().try_into().unwrap();
    assert_eq!((one.id.as_str(), one.sequence), (event(2).issuance.code.as_str(), Some(2)));
    let what: Vec<_> = one.history.iter().map(|event| event.what).collect();
    let [given_up, replayed] = [LetterEventKind::GivenUp, LetterEventKind::Replayed];
    assert_eq!(
        what,
        [given_up, replayed, LetterEventKind::Rejected],
        "the letter has the history of its batch"
    );

    assert!(letters.discard(&one.id).await.unwrap().is_some());
    hand.until_ready(&dead, 0).await;
    drop(stream);
    publish_batch(&hand, &stage, b"[1,2]").await;
    hand.requeue_until_dead(&queue, &dead).await;
    hand.until_ready(&dead, 1).await;
    let [letter] = letters.list(10).await.unwrap().try_into().unwrap();
    assert!(letters.discard(&letter.id).await.unwrap().is_some());
    hand.until_ready(&dead, 0).await;
}
