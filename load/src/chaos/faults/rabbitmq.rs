//! RabbitMQ is killed, frozen, short of memory, and loses messages, bindings and queues.

use super::Done;
use super::links::{self, Service};
use crate::chaos::amqp::{Broker, issuances};
use crate::chaos::testbed::TestBed;
use crate::fleet::proxy::Mode;

pub(super) async fn killed(testbed: &mut TestBed) -> Done {
    testbed.rabbitmq.kill();
    testbed.sleep_between(0, 2_000).await;
    testbed.rabbitmq.restart().await;
    Ok(())
}

pub(super) async fn frozen(testbed: &mut TestBed) -> Done {
    testbed.rabbitmq.pause();
    testbed.sleep_between(500, 8_000).await;
    testbed.rabbitmq.resume();
    Ok(())
}

/// PostgreSQL is unreachable meanwhile, so that the queue is not empty.
pub(super) async fn purged(testbed: &mut TestBed) -> Done {
    let nodes = links::all(testbed);
    links::set(testbed, &nodes, Service::Postgres, Mode::Hold).await;
    testbed.sleep_between(2_000, 5_000).await;
    let purged = async { Broker::connect(testbed).await?.purge(&issuances()).await }.await;
    links::set(testbed, &nodes, Service::Postgres, Mode::Pass).await;
    Ok(purged?)
}

pub(super) async fn unbound(testbed: &mut TestBed) -> Done {
    Broker::connect(testbed).await?.unbind().await?;
    // Only openrun repairs the binding.
    testbed.sleep_between(500, 3_000).await;
    Ok(())
}

pub(super) async fn queue_deleted(testbed: &mut TestBed) -> Done {
    Broker::connect(testbed).await?.delete(&issuances()).await?;
    testbed.sleep_between(500, 3_000).await;
    make_queues_durable(testbed).await
}

pub(super) async fn emptied(testbed: &mut TestBed) -> Done {
    testbed.rabbitmq.wipe();
    testbed.rabbitmq.restart().await;
    // The dead letters are lost with RabbitMQ's files. No issuance depends on them.
    testbed.planted.poison.clear();
    testbed.sleep_between(1_000, 3_000).await;
    make_queues_durable(testbed).await
}

/// Makes the new queue durable, because a later fault may kill the broker.
async fn make_queues_durable(testbed: &mut TestBed) -> Done {
    testbed.make_queues_durable().await;
    Ok(())
}

pub(super) async fn memory_alarm(testbed: &mut TestBed) -> Done {
    testbed.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await?;
    testbed.sleep_between(1_000, 6_000).await;
    testbed.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await?;
    Ok(())
}
