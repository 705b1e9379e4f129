//! The cluster in PostgreSQL: leases, heartbeats and the node reports of recoveries.

use std::time::Duration;

use openrun::persistence::postgres::PostgresCluster;
use openrun::ports::{Cluster, ClusterTime, HighWatermark, NodeId, OpenRecovery};

use crate::fixtures::{Stage, id};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

async fn nodes() -> (Stage, PostgresCluster, NodeId, NodeId) {
    let stage = Stage::new(10).await;
    let cluster = PostgresCluster::new(stage.database.clone());
    (stage, cluster, NodeId::random(), NodeId::random())
}

fn evidence(epoch: u64, issued: u32) -> HighWatermark {
    HighWatermark { epoch, issued }
}

#[tokio::test]
async fn a_lease_has_one_holder_until_it_ends_or_is_released() {
    let (_stage, cluster, one, other) = nodes().await;
    assert!(cluster.lease("sweep", &one, LONG).await.unwrap());
    assert!(cluster.lease("sweep", &one, LONG).await.unwrap(), "the holder may renew it");
    assert!(!cluster.lease("sweep", &other, LONG).await.unwrap());
    assert!(cluster.lease("reconcile", &other, LONG).await.unwrap(), "leases are independent");
    cluster.release("sweep", &other).await.unwrap();
    assert!(!cluster.lease("sweep", &other, LONG).await.unwrap(), "only its holder releases it");
    cluster.release("sweep", &one).await.unwrap();
    assert!(cluster.lease("sweep", &other, SHORT).await.unwrap());
    tokio::time::sleep(SHORT * 2).await;
    assert!(cluster.lease("sweep", &one, LONG).await.unwrap(), "it has ended");
}

#[tokio::test]
async fn of_many_concurrent_nodes_one_gets_the_lease() {
    let (_stage, cluster, ..) = nodes().await;
    let nodes: Vec<_> = (0..8).map(|_| NodeId::random()).collect();
    let calls = nodes.iter().map(|node| cluster.lease("sweep", node, LONG));
    let held = futures_util::future::join_all(calls).await;
    assert_eq!(held.into_iter().filter(|held| *held.as_ref().unwrap()).count(), 1);
}

#[tokio::test]
async fn every_heartbeat_reports_an_open_recovery_until_it_ends() {
    let (_stage, cluster, one, other) = nodes().await;
    assert_eq!(cluster.heartbeat(&one, None, None).await.unwrap().open, []);
    let round = cluster.open_recovery(&id("drop")).await.unwrap();
    assert_eq!(cluster.open_recovery(&id("drop")).await.unwrap(), round, "one recovery at a time");
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
async fn every_living_node_must_report_and_the_highest_report_counts() {
    let (_stage, cluster, one, other) = nodes().await;
    cluster.heartbeat(&one, None, None).await.unwrap();
    cluster.heartbeat(&other, None, None).await.unwrap();
    let open = OpenRecovery { coupon: id("drop"), round: cluster.open_recovery(&id("drop")).await.unwrap() };
    assert_eq!(cluster.node_reports(&open, LONG).await.unwrap().missing, 2);
    cluster.report(&open, &one, evidence(5, 9)).await.unwrap();
    cluster.report(&open, &one, evidence(4, 3)).await.unwrap();
    assert_eq!(cluster.node_reports(&open, LONG).await.unwrap().missing, 1);
    cluster.report(&open, &other, evidence(6, 2)).await.unwrap();
    let reports = cluster.node_reports(&open, LONG).await.unwrap();
    assert_eq!((reports.missing, reports.evidence), (0, evidence(6, 9)));
}

#[tokio::test]
async fn a_node_that_left_or_is_presumed_dead_need_not_report() {
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
async fn a_new_recovery_keeps_the_epoch_of_the_last_one_but_not_its_reports() {
    let (_stage, cluster, one, _) = nodes().await;
    let first = OpenRecovery { coupon: id("drop"), round: cluster.open_recovery(&id("drop")).await.unwrap() };
    cluster.report(&first, &one, evidence(3, 9)).await.unwrap();
    cluster.end_recovery(&first, 8).await.unwrap();
    let next = OpenRecovery { coupon: id("drop"), round: cluster.open_recovery(&id("drop")).await.unwrap() };
    assert_eq!(cluster.node_reports(&next, LONG).await.unwrap().evidence, evidence(8, 0));
    // Ending an earlier recovery late has no effect.
    cluster.end_recovery(&first, 9).await.unwrap();
    assert!(cluster.is_open(&next).await.unwrap());
}

#[tokio::test]
async fn a_living_node_that_has_not_read_the_catalogue_since_is_lagging() {
    let (_stage, cluster, one, other) = nodes().await;
    let before = cluster.heartbeat(&one, None, None).await.unwrap().now;
    cluster.heartbeat(&other, None, None).await.unwrap();
    let raised = cluster.now().await.unwrap();
    assert!(before < raised, "the clock of the database advances");
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 2);
    cluster.heartbeat(&one, Some(before), None).await.unwrap();
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 2, "the reading was too early");
    let after = cluster.heartbeat(&one, Some(before), None).await.unwrap().now;
    cluster.heartbeat(&one, Some(after), None).await.unwrap();
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 1);
    cluster.leave(&other).await.unwrap();
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 0);
}

#[tokio::test]
async fn a_living_node_without_a_recent_report_of_idleness_is_busy() {
    let (stage, cluster, one, other) = nodes().await;
    let early = cluster.heartbeat(&one, None, None).await.unwrap().now;
    cluster.heartbeat(&other, None, None).await.unwrap();
    let empty = cluster.now().await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 2);
    cluster.heartbeat(&one, None, Some(early)).await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 2, "the report was too early");
    // Ahead of the clock, so that the report stays recent in a slow test.
    let now = ClusterTime(empty.0 + 60_000_000);
    cluster.heartbeat(&one, None, Some(now)).await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 1);
    cluster.heartbeat(&one, None, None).await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 2, "the node has become busy again");
    cluster.heartbeat(&one, None, Some(now)).await.unwrap();
    cluster.leave(&other).await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 0);
    stage.execute("UPDATE nodes SET hands_free = hands_free - 70000000").await.unwrap();
    assert_eq!(cluster.count_busy(ClusterTime(0), LONG).await.unwrap(), 1, "the report is too old");
}
