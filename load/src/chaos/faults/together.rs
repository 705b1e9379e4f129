//! Several things at once, as when a rack loses power: nodes die with what they had in hand, and what they leaned on is
//! not there either.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::links::{self, Service};
use super::{Done, Trouble, redis};
use crate::chaos::amqp::{Broker, issuances};
use crate::chaos::arena::{Arena, DATABASE};
use crate::chaos::checker::Violation;
use crate::chaos::crowd::Crowd;
use crate::chaos::node::Node;
use crate::chaos::{metrics, settle};
use crate::fleet::proxy::Mode;

/// How long deliveries may take to return to the queue when those who held them are dead.
const RETURN_BOUND: Duration = Duration::from_secs(10);
/// How long everything may take to be written before the audit begins.
const QUIET_BOUND: Duration = Duration::from_secs(30);

/// RabbitMQ is out of reach, so that what is decided is in Redis alone; then Redis and all nodes lose power.
pub(super) async fn power_failure(arena: &mut Arena) -> Done {
    if let Err(why) = &arena.synced {
        return Err(Trouble::Skipped(why.clone()));
    }
    let everybody = links::all(arena);
    links::set(arena, &everybody, Service::RabbitMq, Mode::Cut).await;
    arena.linger(1_000, 2_500).await;
    arena.redis.kill();
    arena.nodes.iter_mut().for_each(Node::kill);
    redis::lose_unsynced(arena)?;
    links::set(arena, &everybody, Service::RabbitMq, Mode::Pass).await;
    arena.redis.restart().await;
    restart_all(arena).await?;
    Ok(())
}

/// PostgreSQL is out of reach while members are served; then all nodes die and the queue is emptied. Only the outbox is
/// left.
pub(super) async fn nodes_killed_queue_purged(arena: &mut Arena) -> Done {
    let everybody = links::all(arena);
    links::set(arena, &everybody, Service::Postgres, Mode::Hold).await;
    // Longer than the sweep waits until it publishes again what another node has published.
    arena.linger(6_000, 7_000).await;
    arena.nodes.iter_mut().for_each(Node::kill);
    let purged = purge_what_returns(arena).await;
    links::set(arena, &everybody, Service::Postgres, Mode::Pass).await;
    restart_all(arena).await?;
    Ok(purged?)
}

/// Deliveries in the hands of the dead return to the queue a little later.
async fn purge_what_returns(arena: &Arena) -> Result<(), String> {
    let broker = Broker::connect(arena).await?;
    for _ in 0..10 {
        broker.purge(&issuances()).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// PostgreSQL is out of reach while members are served; then all nodes die with deliveries in hand. An audit follows:
/// whatever RabbitMQ confirmed meanwhile must still be in its queue, because nobody has written it.
pub(super) async fn nodes_killed_postgres_away(arena: &mut Arena) -> Done {
    let Some(crowd) = arena.crowd.clone() else { return Ok(()) };
    let everybody = links::all(arena);
    let quiet = crowd.hush().await;
    if !settle::until_arrived(arena, QUIET_BOUND).await {
        return Err(Trouble::Failed("what was told before did not arrive in time".to_owned()));
    }
    links::set(arena, &everybody, Service::Postgres, Mode::Hold).await;
    let before = confirmed(&crowd).await;
    drop(quiet);
    arena.linger(1_000, 2_000).await;
    let quiet = crowd.hush().await;
    let after = confirmed(&crowd).await;
    arena.nodes.iter_mut().for_each(Node::kill);
    let found = match (before, after) {
        (Some(before), Some(after)) => audit(arena, after.saturating_sub(before)).await,
        _ => Err("a node did not tell how much was confirmed".to_owned()),
    };
    drop(quiet);
    links::set(arena, &everybody, Service::Postgres, Mode::Pass).await;
    restart_all(arena).await?;
    arena.seen.extend(found?);
    Ok(())
}

async fn restart_all(arena: &mut Arena) -> Result<(), String> {
    for node in &mut arena.nodes {
        node.restart().await?;
    }
    Ok(())
}

/// How many events were confirmed to the nodes of this life for the first time; `None` if one of them does not tell.
async fn confirmed(crowd: &Crowd) -> Option<u64> {
    let mut sum = 0;
    for target in &crowd.targets {
        let text = metrics::read(target).await?;
        let again = metrics::value(&text, "openrun_republished_total")?;
        sum += metrics::value(&text, "openrun_published_total")?.saturating_sub(again);
    }
    Some(sum)
}

/// What is missing of `confirmed` events that were neither written nor are in the queue.
async fn audit(arena: &Arena, confirmed: u64) -> Result<Option<Violation>, String> {
    let deadline = Instant::now() + RETURN_BOUND;
    let written = settle::rows(arena).await?;
    loop {
        let waiting = Broker::connect(arena).await?.issuances_waiting().await?;
        let waiting: BTreeSet<_> = waiting
            .into_iter()
            .filter(|(coupon, sequence)| written.get(coupon).is_none_or(|written| sequence > written))
            .collect();
        if waiting.len() as u64 >= confirmed {
            return Ok(None);
        }
        if Instant::now() >= deadline {
            let what = format!(
                "RabbitMQ confirmed {confirmed} issuances while {DATABASE} could not be written, and has {} of them",
                waiting.len()
            );
            return Ok(Some(Violation::new("confirmed_until_committed", what)));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
