//! A Redis that does not answer: the outcome is unknown within a bound, and a repeated request gives the true answer.

use std::time::{Duration, Instant};

use openrun::ports::{AdmissionEngine, EngineError};

use crate::arrange::{Node, sequences};
use crate::support::services::PrivateRedis;

/// Twice the engine's own bound, for a busy machine.
const BOUND: Duration = Duration::from_secs(4);

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(answer: &Result<T, EngineError>, sent_at: Instant) {
    assert!(matches!(answer, Err(EngineError::Unavailable(_))), "{answer:?}");
    assert!(sent_at.elapsed() < BOUND, "it took {:?}", sent_at.elapsed());
}

#[tokio::test]
async fn a_frozen_server_is_unavailable_and_answers_truly_later() {
    let redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    let coupon = node.open_coupon(5).await;
    let id = &coupon.id;
    node.admit(id, &["a"]).await.unwrap();

    redis.pause();
    let sent_at = Instant::now();
    let (admitted, standing) = tokio::join!(node.admit(id, &["b", "c"]), node.engine.standing(id));
    assert_unavailable(&admitted, sent_at);
    assert_unavailable(&standing, sent_at);
    redis.resume();

    // The first request was only late: Redis decides it before the next one.
    assert_eq!(sequences(&node.admit(id, &["c", "a", "b", "d"]).await.unwrap()), [3, 1, 2, 4]);
}

#[tokio::test]
async fn a_paused_server_is_unavailable_and_answers_truly_later() {
    let redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    let coupon = node.open_coupon(5).await;
    let id = &coupon.id;
    node.admit(id, &["a"]).await.unwrap();
    node.raw::<()>(&["CLIENT", "PAUSE", "3000", "WRITE"]).await;
    let sent_at = Instant::now();
    assert_unavailable(&node.admit(id, &["b"]).await, sent_at);
    node.raw::<()>(&["CLIENT", "UNPAUSE"]).await;
    assert_eq!(sequences(&node.admit(id, &["c", "b", "a"]).await.unwrap()), [3, 2, 1]);
}

#[tokio::test]
async fn a_dead_server_is_unavailable_and_comes_back_fenced() {
    let mut redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    let coupon = node.open_coupon(5).await;
    node.admit(&coupon.id, &["a"]).await.unwrap();
    redis.kill();
    for _ in 0..3 {
        assert_unavailable(&node.admit(&coupon.id, &["b"]).await, Instant::now());
    }
    redis.restart().await;
    let answer = node.admit(&coupon.id, &["b"]).await;
    assert!(matches!(answer, Err(EngineError::Fenced(_))), "{answer:?}");
    node.verify(&coupon, 1).await.unwrap();
    assert_eq!(sequences(&node.admit(&coupon.id, &["b"]).await.unwrap()), [2]);
}
