//! RabbitMQ is killed, frozen, short of memory, and loses messages, bindings and queues.

use super::Done;
use super::links::{self, Service};
use crate::chaos::amqp::{Broker, issuances};
use crate::chaos::arena::Arena;
use crate::fleet::proxy::Mode;

pub(super) async fn killed(arena: &mut Arena) -> Done {
    arena.rabbitmq.kill();
    arena.linger(0, 2_000).await;
    arena.rabbitmq.restart().await;
    Ok(())
}

pub(super) async fn frozen(arena: &mut Arena) -> Done {
    arena.rabbitmq.pause();
    arena.linger(500, 8_000).await;
    arena.rabbitmq.resume();
    Ok(())
}

/// With PostgreSQL out of reach, so that there is something in it.
pub(super) async fn purged(arena: &mut Arena) -> Done {
    let everybody = links::all(arena);
    links::set(arena, &everybody, Service::Postgres, Mode::Hold).await;
    arena.linger(2_000, 5_000).await;
    let purged = async { Broker::connect(arena).await?.purge(&issuances()).await }.await;
    links::set(arena, &everybody, Service::Postgres, Mode::Pass).await;
    Ok(purged?)
}

pub(super) async fn unbound(arena: &mut Arena) -> Done {
    Broker::connect(arena).await?.unbind().await?;
    // Nobody heals it but openrun.
    arena.linger(500, 3_000).await;
    Ok(())
}

pub(super) async fn queue_deleted(arena: &mut Arena) -> Done {
    Broker::connect(arena).await?.delete(&issuances()).await?;
    arena.linger(500, 3_000).await;
    settle(arena).await
}

pub(super) async fn emptied(arena: &mut Arena) -> Done {
    arena.rabbitmq.wipe();
    arena.rabbitmq.restart().await;
    // Dead letters live nowhere else. What was issued does not depend on them.
    arena.planted.poison.clear();
    arena.linger(1_000, 3_000).await;
    settle(arena).await
}

/// The queue was declared anew, and this run may still kill the broker.
async fn settle(arena: &mut Arena) -> Done {
    arena.let_the_queues_settle().await;
    Ok(())
}

pub(super) async fn memory_alarm(arena: &mut Arena) -> Done {
    arena.rabbitmq_does(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await?;
    arena.linger(1_000, 6_000).await;
    arena.rabbitmq_does(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await?;
    Ok(())
}
