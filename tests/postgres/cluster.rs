//! Nodes meet in PostgreSQL: rights of one at a time, and what they know of a coupon that is doubted.

use std::time::Duration;

use openrun::persistence::postgres::PostgresCluster;
use openrun::ports::{Cluster, ClusterTime, HighWatermark, NodeId, OpenRecovery};

use crate::fixtures::{Stage, id};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

/// Two nodes and where they meet.
async fn nodes() -> (Stage, PostgresCluster, NodeId, NodeId) {
    let stage = Stage::new(10).await;
    let cluster = PostgresCluster::new(stage.database.clone());
    (stage, cluster, NodeId::random(), NodeId::random())
}

fn evidence(epoch: u64, issued: u32) -> HighWatermark {
    HighWatermark { epoch, issued }
}

#[tokio::test]
async fn a_right_is_had_by_one_until_it_ends_or_is_given_back() {
    let (_stage, cluster, one, other) = nodes().await;
    assert!(cluster.lease("sweep", &one, LONG).await.unwrap());
    assert!(cluster.lease("sweep", &one, LONG).await.unwrap(), "it is kept by asking again");
    assert!(!cluster.lease("sweep", &other, LONG).await.unwrap());
    assert!(cluster.lease("reconcile", &other, LONG).await.unwrap(), "another right is another");
    cluster.release("sweep", &other).await.unwrap();
    assert!(!cluster.lease("sweep", &other, LONG).await.unwrap(), "only its owner gives it back");
    cluster.release("sweep", &one).await.unwrap();
    assert!(cluster.lease("sweep", &other, SHORT).await.unwrap());
    tokio::time::sleep(SHORT * 2).await;
    assert!(cluster.lease("sweep", &one, LONG).await.unwrap(), "it has ended");
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_has_the_right() {
    let (_stage, cluster, ..) = nodes().await;
    let nodes: Vec<_> = (0..8).map(|_| NodeId::random()).collect();
    let asked = nodes.iter().map(|node| cluster.lease("sweep", node, LONG));
    let held = futures_util::future::join_all(asked).await;
    assert_eq!(held.into_iter().filter(|held| *held.as_ref().unwrap()).count(), 1);
}

#[tokio::test]
async fn a_recovery_is_told_to_every_beat_until_it_ends_and_the_next_one_is_another() {
    let (_stage, cluster, one, other) = nodes().await;
    assert_eq!(cluster.heartbeat(&one, None, None).await.unwrap().open, []);
    let round = cluster.open_recovery(&id("drop")).await.unwrap();
    assert_eq!(cluster.open_recovery(&id("drop")).await.unwrap(), round, "one at a time");
    let open = OpenRecovery { coupon: id("drop"), round };
    for node in [&one, &other, &one] {
        assert_eq!(cluster.heartbeat(node, None, None).await.unwrap().open, std::slice::from_ref(&open));
    }
    cluster.end_recovery(&open, 7).await.unwrap();
    assert!(!cluster.is_open(&open).await.unwrap());
    assert_eq!(cluster.heartbeat(&one, None, None).await.unwrap().open, []);
    assert!(cluster.open_recovery(&id("drop")).await.unwrap() > round);
    assert!(!cluster.is_open(&open).await.unwrap(), "a new one does not open the old one");
}

#[tokio::test]
async fn everybody_who_lives_is_waited_for_and_the_most_that_was_said_counts() {
    let (_stage, cluster, one, other) = nodes().await;
    cluster.heartbeat(&one, None, None).await.unwrap();
    cluster.heartbeat(&other, None, None).await.unwrap();
    let open = OpenRecovery { coupon: id("drop"), round: cluster.open_recovery(&id("drop")).await.unwrap() };
    assert_eq!(cluster.node_reports(&open, LONG).await.unwrap().missing, 2);
    cluster.halt_and_report(&open, &one, evidence(5, 9)).await.unwrap();
    cluster.halt_and_report(&open, &one, evidence(4, 3)).await.unwrap();
    assert_eq!(cluster.node_reports(&open, LONG).await.unwrap().missing, 1);
    cluster.halt_and_report(&open, &other, evidence(6, 2)).await.unwrap();
    let said = cluster.node_reports(&open, LONG).await.unwrap();
    assert_eq!((said.missing, said.evidence), (0, evidence(6, 9)));
}

#[tokio::test]
async fn who_left_or_was_silent_for_too_long_is_not_waited_for() {
    let (_stage, cluster, one, other) = nodes().await;
    cluster.heartbeat(&one, None, None).await.unwrap();
    cluster.heartbeat(&other, None, None).await.unwrap();
    let open = OpenRecovery { coupon: id("drop"), round: cluster.open_recovery(&id("drop")).await.unwrap() };
    cluster.leave(&other).await.unwrap();
    assert_eq!(cluster.node_reports(&open, LONG).await.unwrap().missing, 1);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(cluster.node_reports(&open, SHORT).await.unwrap().missing, 0);
    cluster.heartbeat(&one, None, None).await.unwrap();
    assert_eq!(cluster.node_reports(&open, LONG).await.unwrap().missing, 1);
}

#[tokio::test]
async fn the_life_after_a_recovery_is_remembered_and_what_was_said_in_it_is_not() {
    let (_stage, cluster, one, _) = nodes().await;
    let first = OpenRecovery { coupon: id("drop"), round: cluster.open_recovery(&id("drop")).await.unwrap() };
    cluster.halt_and_report(&first, &one, evidence(3, 9)).await.unwrap();
    cluster.end_recovery(&first, 8).await.unwrap();
    let next = OpenRecovery { coupon: id("drop"), round: cluster.open_recovery(&id("drop")).await.unwrap() };
    assert_eq!(cluster.node_reports(&next, LONG).await.unwrap().evidence, evidence(8, 0));
    // Whoever ends the old one late ends nothing.
    cluster.end_recovery(&first, 9).await.unwrap();
    assert!(cluster.is_open(&next).await.unwrap());
}

#[tokio::test]
async fn who_lives_and_has_not_read_the_catalogue_since_is_unaware() {
    let (_stage, cluster, one, other) = nodes().await;
    let before = cluster.heartbeat(&one, None, None).await.unwrap().now;
    cluster.heartbeat(&other, None, None).await.unwrap();
    let raised = cluster.now().await.unwrap();
    assert!(before < raised, "one clock, which goes on");
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 2);
    cluster.heartbeat(&one, Some(before), None).await.unwrap();
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 2, "it has read too early");
    let after = cluster.heartbeat(&one, Some(before), None).await.unwrap().now;
    cluster.heartbeat(&one, Some(after), None).await.unwrap();
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 1);
    cluster.leave(&other).await.unwrap();
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 0);
}

#[tokio::test]
async fn who_lives_and_has_not_said_lately_that_its_hands_are_free_is_busy() {
    let (stage, cluster, one, other) = nodes().await;
    let early = cluster.heartbeat(&one, None, None).await.unwrap().now;
    cluster.heartbeat(&other, None, None).await.unwrap();
    let empty = cluster.now().await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 2);
    cluster.heartbeat(&one, None, Some(early)).await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 2, "that was before");
    // Ahead of the clock, so that it stays lately however slow the test is.
    let now = ClusterTime(empty.0 + 60_000_000);
    cluster.heartbeat(&one, None, Some(now)).await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 1);
    cluster.heartbeat(&one, None, None).await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 2, "it has been held up since");
    cluster.heartbeat(&one, None, Some(now)).await.unwrap();
    cluster.leave(&other).await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 0);
    stage.by_hand("UPDATE nodes SET hands_free = hands_free - 70000000").await.unwrap();
    assert_eq!(cluster.count_busy(ClusterTime(0), LONG).await.unwrap(), 1, "it was said long ago");
}
