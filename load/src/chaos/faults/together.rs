//! Combined faults, as when a rack loses power: nodes die with work in flight while a service is unreachable.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::links::{self, Service};
use super::{Done, Trouble, redis};
use crate::chaos::amqp::{Broker, issuances};
use crate::chaos::checker::Violation;
use crate::chaos::clients::Clients;
use crate::chaos::node::Node;
use crate::chaos::testbed::{DATABASE, TestBed};
use crate::chaos::{metrics, settle};
use crate::fleet::proxy::Mode;

/// Bound in which deliveries of dead nodes return to the queue.
const RETURN_BOUND: Duration = Duration::from_secs(10);
/// Bound in which everything is written before the audit begins.
const QUIET_BOUND: Duration = Duration::from_secs(30);

/// RabbitMQ is unreachable, so that decisions are in Redis alone; then Redis and all nodes lose power.
pub(super) async fn power_failure(testbed: &mut TestBed) -> Done {
    if let Err(why) = &testbed.synced {
        return Err(Trouble::Skipped(why.clone()));
    }
    let all_nodes = links::all(testbed);
    links::set(testbed, &all_nodes, Service::RabbitMq, Mode::Cut).await;
    testbed.sleep_between(1_000, 2_500).await;
    testbed.redis.kill();
    testbed.nodes.iter_mut().for_each(Node::kill);
    redis::lose_unsynced(testbed)?;
    links::set(testbed, &all_nodes, Service::RabbitMq, Mode::Pass).await;
    testbed.redis.restart().await;
    restart_all(testbed).await?;
    Ok(())
}

/// PostgreSQL is unreachable while members are served; then all nodes die and the queue is purged. Only the outboxes
/// are left.
pub(super) async fn nodes_killed_queue_purged(testbed: &mut TestBed) -> Done {
    let all_nodes = links::all(testbed);
    links::set(testbed, &all_nodes, Service::Postgres, Mode::Hold).await;
    // Longer than the sweep waits before it republishes another node's entries.
    testbed.sleep_between(6_000, 7_000).await;
    testbed.nodes.iter_mut().for_each(Node::kill);
    let purged = purge_repeatedly(testbed).await;
    links::set(testbed, &all_nodes, Service::Postgres, Mode::Pass).await;
    restart_all(testbed).await?;
    Ok(purged?)
}

/// Purges the queue several times, because deliveries of dead nodes return a little later.
async fn purge_repeatedly(testbed: &TestBed) -> Result<(), String> {
    let broker = Broker::connect(testbed).await?;
    for _ in 0..10 {
        broker.purge(&issuances()).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// PostgreSQL is unreachable while members are served; then all nodes die with deliveries in flight. The audit checks
/// that everything RabbitMQ confirmed meanwhile is still in its queue, because nothing of it was written.
pub(super) async fn nodes_killed_postgres_away(testbed: &mut TestBed) -> Done {
    let Some(clients) = testbed.clients.clone() else { return Ok(()) };
    let all_nodes = links::all(testbed);
    let blocked = clients.block_requests().await;
    if !settle::until_arrived(testbed, QUIET_BOUND).await {
        return Err(Trouble::Failed("earlier issuances did not arrive in the database in time".to_owned()));
    }
    links::set(testbed, &all_nodes, Service::Postgres, Mode::Hold).await;
    let before = confirmed(&clients).await;
    drop(blocked);
    testbed.sleep_between(1_000, 2_000).await;
    let blocked = clients.block_requests().await;
    let after = confirmed(&clients).await;
    testbed.nodes.iter_mut().for_each(Node::kill);
    let found = match (before, after) {
        (Some(before), Some(after)) => audit(testbed, after.saturating_sub(before)).await,
        _ => Err("a node did not report its count of confirmed events".to_owned()),
    };
    drop(blocked);
    links::set(testbed, &all_nodes, Service::Postgres, Mode::Pass).await;
    restart_all(testbed).await?;
    testbed.violations.extend(found?);
    Ok(())
}

async fn restart_all(testbed: &mut TestBed) -> Result<(), String> {
    for node in &mut testbed.nodes {
        node.restart().await?;
    }
    Ok(())
}

/// Events that the broker confirmed to the running nodes for the first time; `None` if a node does not answer.
async fn confirmed(clients: &Clients) -> Option<u64> {
    let mut sum = 0;
    for target in &clients.targets {
        let text = metrics::read(target).await?;
        let again = metrics::value(&text, "openrun_republished_total")?;
        sum += metrics::value(&text, "openrun_published_total")?.saturating_sub(again);
    }
    Some(sum)
}

/// Reports if fewer than `confirmed` unwritten events are in the queue.
async fn audit(testbed: &TestBed, confirmed: u64) -> Result<Option<Violation>, String> {
    let deadline = Instant::now() + RETURN_BOUND;
    let written = settle::rows(testbed).await?;
    loop {
        let waiting = Broker::connect(testbed).await?.issuances_waiting().await?;
        let waiting: BTreeSet<_> = waiting
            .into_iter()
            .filter(|(coupon, sequence)| written.get(coupon).is_none_or(|written| sequence > written))
            .collect();
        if waiting.len() as u64 >= confirmed {
            return Ok(None);
        }
        if Instant::now() >= deadline {
            let what = format!(
                "RabbitMQ confirmed {confirmed} issuances while {DATABASE} was unreachable, and its queue has {} of them",
                waiting.len()
            );
            return Ok(Some(Violation::new("confirmed_until_committed", what)));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
