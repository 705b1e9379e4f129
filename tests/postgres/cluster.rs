//! The cluster in PostgreSQL: leases, heartbeats and the node reports of recoveries.

use std::time::Duration;

use openrun::persistence::postgres::PostgresCluster;
use openrun::ports::{
    Cluster, ClusterTime, CouponLives, Heartbeat, HeartbeatReply, HighWatermark, Life, NodeId, OpenRecovery,
    Role, Round,
};

use crate::fixtures::{Stage, id};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

async fn nodes() -> (Stage, PostgresCluster, NodeId, NodeId) {
    let stage = Stage::new(10).await;
    let cluster = PostgresCluster::new(stage.database.clone());
    (stage, cluster, NodeId::random(), NodeId::random())
}

/// A heartbeat of a node that is connected to no server of an engine.
async fn beat(
    cluster: &PostgresCluster,
    node: &NodeId,
    catalog_read_at: Option<ClusterTime>,
    idle_since: Option<ClusterTime>,
) -> HeartbeatReply {
    cluster
        .heartbeat(Heartbeat { node, catalog_read_at, idle_since, server: None })
        .await
        .expect("it is stored")
}

async fn beat_on(cluster: &PostgresCluster, node: &NodeId, server: &str) {
    let heartbeat = Heartbeat { node, catalog_read_at: None, idle_since: None, server: Some(server) };
    cluster.heartbeat(heartbeat).await.expect("it is stored");
}

async fn open_recovery(cluster: &PostgresCluster, node: &NodeId, server: &str) -> Round {
    cluster.open_recovery(&id("drop"), node, server).await.expect("it opens")
}

fn life(epoch: u64, server: &str) -> Life {
    Life { epoch, server: server.to_owned() }
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
    assert_eq!(beat(&cluster, &one, None, None).await.open, []);
    let round = open_recovery(&cluster, &one, "a").await;
    assert_eq!(open_recovery(&cluster, &one, "a").await, round, "one recovery at a time");
    let open = OpenRecovery { coupon: id("drop"), round };
    for node in [&one, &other, &one] {
        assert_eq!(beat(&cluster, node, None, None).await.open, std::slice::from_ref(&open));
    }
    cluster.end_recovery(&open, &life(7, "a"), "verify").await.unwrap();
    assert!(cluster.role(&open, "a", LONG).await.unwrap() == Role::Ended);
    assert_eq!(beat(&cluster, &one, None, None).await.open, []);
    assert!(open_recovery(&cluster, &one, "a").await > round);
    assert!(
        cluster.role(&open, "a", LONG).await.unwrap() == Role::Ended,
        "a new one does not open the old one"
    );
}

#[tokio::test]
async fn every_living_node_must_report_and_the_highest_report_counts() {
    let (_stage, cluster, one, other) = nodes().await;
    beat(&cluster, &one, None, None).await;
    beat(&cluster, &other, None, None).await;
    let open = OpenRecovery { coupon: id("drop"), round: open_recovery(&cluster, &one, "a").await };
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
    beat(&cluster, &one, None, None).await;
    beat(&cluster, &other, None, None).await;
    let open = OpenRecovery { coupon: id("drop"), round: open_recovery(&cluster, &one, "a").await };
    cluster.leave(&other).await.unwrap();
    assert_eq!(cluster.node_reports(&open, LONG).await.unwrap().missing, 1);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(cluster.node_reports(&open, SHORT).await.unwrap().missing, 0);
    beat(&cluster, &one, None, None).await;
    assert_eq!(cluster.node_reports(&open, LONG).await.unwrap().missing, 1);
}

#[tokio::test]
async fn a_new_recovery_keeps_the_epoch_of_the_last_one_but_not_its_reports() {
    let (_stage, cluster, one, _) = nodes().await;
    let first = OpenRecovery { coupon: id("drop"), round: open_recovery(&cluster, &one, "a").await };
    cluster.report(&first, &one, evidence(3, 9)).await.unwrap();
    cluster.end_recovery(&first, &life(8, "a"), "verify").await.unwrap();
    let next = OpenRecovery { coupon: id("drop"), round: open_recovery(&cluster, &one, "a").await };
    assert_eq!(cluster.node_reports(&next, LONG).await.unwrap().evidence, evidence(8, 0));
    // Ending an earlier recovery late has no effect.
    cluster.end_recovery(&first, &life(9, "a"), "verify").await.unwrap();
    assert!(cluster.role(&next, "a", LONG).await.unwrap() == Role::Leader);
}

#[tokio::test]
async fn a_living_node_that_has_not_read_the_catalogue_since_is_lagging() {
    let (_stage, cluster, one, other) = nodes().await;
    let before = beat(&cluster, &one, None, None).await.now;
    beat(&cluster, &other, None, None).await;
    let raised = cluster.now().await.unwrap();
    assert!(before < raised, "the clock of the database advances");
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 2);
    beat(&cluster, &one, Some(before), None).await;
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 2, "the reading was too early");
    let after = beat(&cluster, &one, Some(before), None).await.now;
    beat(&cluster, &one, Some(after), None).await;
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 1);
    cluster.leave(&other).await.unwrap();
    assert_eq!(cluster.count_lagging(raised, LONG).await.unwrap(), 0);
}

#[tokio::test]
async fn a_living_node_without_a_recent_report_of_idleness_is_busy() {
    let (stage, cluster, one, other) = nodes().await;
    let early = beat(&cluster, &one, None, None).await.now;
    beat(&cluster, &other, None, None).await;
    let empty = cluster.now().await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 2);
    beat(&cluster, &one, None, Some(early)).await;
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 2, "the report was too early");
    // Ahead of the clock, so that the report stays recent in a slow test.
    let now = ClusterTime(empty.0 + 60_000_000);
    beat(&cluster, &one, None, Some(now)).await;
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 1);
    beat(&cluster, &one, None, None).await;
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 2, "the node has become busy again");
    beat(&cluster, &one, None, Some(now)).await;
    cluster.leave(&other).await.unwrap();
    assert_eq!(cluster.count_busy(empty, LONG).await.unwrap(), 0);
    stage.execute("UPDATE nodes SET hands_free = hands_free - 70000000").await.unwrap();
    assert_eq!(cluster.count_busy(ClusterTime(0), LONG).await.unwrap(), 1, "the report is too old");
}

#[tokio::test]
async fn the_first_life_counts_until_a_recovery_ends_with_another() {
    let (_stage, cluster, one, _) = nodes().await;
    let drop = id("drop");
    assert_eq!(cluster.current_life(&drop).await.unwrap(), None);
    assert_eq!(cluster.begin_life(&drop, &life(7, "a")).await.unwrap(), life(7, "a"));
    assert_eq!(cluster.begin_life(&drop, &life(9, "b")).await.unwrap(), life(7, "a"), "there is one already");
    let open = OpenRecovery { coupon: drop.clone(), round: open_recovery(&cluster, &one, "b").await };
    assert_eq!(cluster.current_life(&drop).await.unwrap(), Some(life(7, "a")), "it has not ended");
    cluster.end_recovery(&open, &life(7, "b"), "verify").await.unwrap();
    cluster.end_recovery(&open, &life(9, "c"), "rebuild").await.unwrap();
    assert_eq!(cluster.current_life(&drop).await.unwrap(), Some(life(7, "b")), "a late end changes nothing");
}

#[tokio::test]
async fn of_many_concurrent_first_lives_one_is_recorded() {
    let (_stage, cluster, ..) = nodes().await;
    let drop = id("drop");
    let servers: Vec<Life> = (0..8).map(|n| life(7, &n.to_string())).collect();
    let recorded =
        futures_util::future::join_all(servers.iter().map(|life| cluster.begin_life(&drop, life))).await;
    let first = recorded[0].as_ref().unwrap();
    assert!(recorded.iter().all(|life| life.as_ref().unwrap() == first), "{recorded:?}");
}

#[tokio::test]
async fn a_node_on_the_server_of_the_recovery_leads_as_long_as_one_lives() {
    let (_stage, cluster, one, other) = nodes().await;
    beat_on(&cluster, &one, "a").await;
    beat_on(&cluster, &other, "a").await;
    let open = OpenRecovery { coupon: id("drop"), round: open_recovery(&cluster, &other, "b").await };
    assert_eq!(open_recovery(&cluster, &one, "a").await, open.round, "the open one stays as it is");
    beat_on(&cluster, &one, "a").await;
    assert_eq!(cluster.role(&open, "b", LONG).await.unwrap(), Role::Leader);
    assert_eq!(cluster.role(&open, "a", LONG).await.unwrap(), Role::Follower);
    cluster.leave(&other).await.unwrap();
    assert_eq!(
        cluster.role(&open, "a", LONG).await.unwrap(),
        Role::Leader,
        "no node on the other server lives"
    );
}

#[tokio::test]
async fn living_nodes_on_the_server_of_the_current_life_are_counted() {
    let (_stage, cluster, one, other) = nodes().await;
    let drop = id("drop");
    beat_on(&cluster, &one, "a").await;
    assert_eq!(cluster.count_on_current_server(&drop, LONG).await.unwrap(), 0, "no life is recorded");
    cluster.begin_life(&drop, &life(7, "a")).await.unwrap();
    beat_on(&cluster, &other, "b").await;
    assert_eq!(cluster.count_on_current_server(&drop, LONG).await.unwrap(), 1);
    cluster.leave(&one).await.unwrap();
    assert_eq!(cluster.count_on_current_server(&drop, LONG).await.unwrap(), 0);
}
