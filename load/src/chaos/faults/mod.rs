//! The faults by name. Each breaks something, waits, and repairs it.

mod aborts;
mod links;
mod messages;
mod nodes;
mod postgres;
mod rabbitmq;
mod redis;
mod together;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub(super) use self::aborts::SETTING as ABORT_SETTING;

use self::links::Service;
use super::testbed::TestBed;
use crate::fleet::proxy::Mode;

/// Reason for which a fault was not completed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// This machine or this binary does not support the fault.
    Skipped(String),
    /// The fault began, and a step of it failed.
    Failed(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

pub(super) type Done = Result<(), Trouble>;
type Running<'a> = Pin<Box<dyn Future<Output = Done> + Send + 'a>>;

/// A kind of fault.
pub struct Fault {
    /// Name on the command line and in reports.
    pub name: &'static str,
    /// Description.
    pub about: &'static str,
    /// Whether it affects Redis or a node, so that no total may be raised at the same time.
    pub(super) needs_calm: bool,
    pub(super) run: for<'a> fn(&'a mut TestBed) -> Running<'a>,
}

macro_rules! fault {
    ($name:literal, $calm:expr, $about:literal, |$testbed:ident| $run:expr) => {
        Fault { name: $name, about: $about, needs_calm: $calm, run: |$testbed| Box::pin($run) }
    };
}

/// Affects RabbitMQ or PostgreSQL only.
const BUSY: bool = false;
/// Affects Redis or a node.
const CALM: bool = true;
const SLOW: Mode = Mode::Delay(Duration::from_millis(150));

/// All faults.
pub const FAULTS: &[Fault] = &[
    fault!("node-killed", CALM, "a node is killed and restarted", |testbed| nodes::killed(testbed)),
    fault!("node-frozen", CALM, "a node is frozen for seconds", |testbed| nodes::frozen(testbed)),
    fault!("node-terminated", CALM, "a node is terminated and restarted", |testbed| nodes::terminated(
        testbed
    )),
    fault!("nodes-killed", CALM, "all nodes are killed at once and restarted", |testbed| nodes::all_killed(
        testbed
    )),
    fault!("abort-admitted", CALM, "a node dies after the admission script's reply", |testbed| {
        aborts::at(testbed, aborts::ADMITTED)
    }),
    fault!("abort-published", CALM, "a node dies after publishing", |testbed| aborts::at(
        testbed,
        aborts::PUBLISHED
    )),
    fault!("abort-confirmed", CALM, "a node dies after the broker's confirm", |testbed| {
        aborts::at(testbed, aborts::CONFIRMED)
    }),
    fault!("abort-committed", CALM, "a node dies after COMMIT, before the ack", |testbed| {
        aborts::at(testbed, aborts::COMMITTED)
    }),
    fault!("abort-buried", CALM, "a node dies after dead-lettering poison, before the ack", |testbed| {
        aborts::buried(testbed)
    }),
    fault!("abort-replayed", CALM, "a node dies after replaying a letter, before the ack", |testbed| {
        aborts::replayed(testbed)
    }),
    fault!("redis-killed", CALM, "Redis is killed and restarted", |testbed| redis::killed(testbed)),
    fault!("redis-frozen", CALM, "Redis is frozen for seconds", |testbed| redis::frozen(testbed)),
    fault!("redis-power-lost", CALM, "Redis is killed and loses its unsynced writes", |testbed| {
        redis::power_lost(testbed)
    }),
    fault!("redis-flushed", CALM, "Redis is emptied by FLUSHALL", |testbed| redis::flushed(testbed)),
    fault!("redis-emptied", CALM, "Redis is killed and restarted without its files", |testbed| {
        redis::emptied(testbed)
    }),
    fault!(
        "redis-rolled-back",
        CALM,
        "Redis is killed and restarted with an older copy of its files",
        |testbed| redis::rolled_back(testbed)
    ),
    fault!("redis-failed-over", CALM, "Redis is killed and replaced by its replica", |testbed| {
        redis::failed_over(testbed)
    }),
    fault!("redis-link-cut", CALM, "connections to Redis are cut", |testbed| {
        links::broken(testbed, Service::Redis, Mode::Cut)
    }),
    fault!("redis-link-held", CALM, "connections to Redis pass no data", |testbed| {
        links::broken(testbed, Service::Redis, Mode::Hold)
    }),
    fault!("redis-link-slow", CALM, "connections to Redis are slow", |testbed| links::broken(
        testbed,
        Service::Redis,
        SLOW
    )),
    fault!("redis-replies-lost", CALM, "Redis executes commands, and its replies are lost", |testbed| {
        links::broken(testbed, Service::Redis, Mode::SwallowReplies)
    }),
    fault!(
        "redis-unheard",
        CALM,
        "Redis executes the commands of one node, and the replies to it are lost",
        |testbed| links::one_node_unheard(testbed)
    ),
    fault!("rabbitmq-killed", BUSY, "RabbitMQ is killed and restarted", |testbed| rabbitmq::killed(testbed)),
    fault!("rabbitmq-frozen", BUSY, "RabbitMQ is frozen for seconds", |testbed| rabbitmq::frozen(testbed)),
    fault!("rabbitmq-purged", BUSY, "the queue is purged", |testbed| rabbitmq::purged(testbed)),
    fault!("rabbitmq-unbound", BUSY, "the queue loses its binding", |testbed| rabbitmq::unbound(testbed)),
    fault!("rabbitmq-queue-deleted", BUSY, "the queue is deleted", |testbed| rabbitmq::queue_deleted(
        testbed
    )),
    fault!("rabbitmq-emptied", BUSY, "RabbitMQ is killed and restarted without its files", |testbed| {
        rabbitmq::emptied(testbed)
    }),
    fault!("rabbitmq-memory-alarm", BUSY, "RabbitMQ blocks publishers by a memory alarm", |testbed| {
        rabbitmq::memory_alarm(testbed)
    }),
    fault!("rabbitmq-link-cut", BUSY, "connections to RabbitMQ are cut", |testbed| {
        links::broken(testbed, Service::RabbitMq, Mode::Cut)
    }),
    fault!("rabbitmq-link-held", BUSY, "connections to RabbitMQ pass no data", |testbed| {
        links::broken(testbed, Service::RabbitMq, Mode::Hold)
    }),
    fault!("rabbitmq-link-slow", BUSY, "connections to RabbitMQ are slow", |testbed| {
        links::broken(testbed, Service::RabbitMq, SLOW)
    }),
    fault!("rabbitmq-replies-lost", BUSY, "RabbitMQ accepts messages, and its replies are lost", |testbed| {
        links::broken(testbed, Service::RabbitMq, Mode::SwallowReplies)
    }),
    fault!("postgres-killed", BUSY, "PostgreSQL is killed and restarted", |testbed| postgres::killed(
        testbed
    )),
    fault!("postgres-frozen", BUSY, "PostgreSQL is frozen for seconds", |testbed| postgres::frozen(testbed)),
    fault!("postgres-read-only", BUSY, "PostgreSQL is read-only", |testbed| postgres::read_only(testbed)),
    fault!(
        "postgres-no-connections",
        BUSY,
        "another client takes all connections to PostgreSQL",
        |testbed| postgres::no_connections(testbed)
    ),
    fault!("postgres-disk-full", BUSY, "the disk of PostgreSQL's tables is full", |testbed| {
        postgres::disk_full(testbed)
    }),
    fault!("postgres-link-cut", BUSY, "connections to PostgreSQL are cut", |testbed| {
        links::broken(testbed, Service::Postgres, Mode::Cut)
    }),
    fault!("postgres-link-held", BUSY, "connections to PostgreSQL pass no data", |testbed| {
        links::broken(testbed, Service::Postgres, Mode::Hold)
    }),
    fault!("postgres-link-slow", BUSY, "connections to PostgreSQL are slow", |testbed| {
        links::broken(testbed, Service::Postgres, SLOW)
    }),
    fault!("postgres-replies-lost", BUSY, "PostgreSQL commits, and its replies are lost", |testbed| {
        links::broken(testbed, Service::Postgres, Mode::SwallowReplies)
    }),
    fault!("contradiction", BUSY, "a message contradicts a row", |testbed| messages::contradiction(testbed)),
    fault!("poison", BUSY, "an unreadable message is published", |testbed| messages::poison(testbed)),
    fault!(
        "power-failure",
        CALM,
        "Redis and all nodes lose power while RabbitMQ is unreachable",
        |testbed| together::power_failure(testbed)
    ),
    fault!(
        "nodes-killed-postgres-away",
        CALM,
        "all nodes are killed with unwritten deliveries in flight",
        |testbed| together::nodes_killed_postgres_away(testbed)
    ),
    fault!("nodes-killed-queue-purged", CALM, "all nodes are killed and the queue is purged", |testbed| {
        together::nodes_killed_queue_purged(testbed)
    }),
];

/// The faults of these names, or all; the error is the first unknown name.
pub(super) fn named(names: &[String]) -> Result<Vec<&'static Fault>, String> {
    if names.is_empty() {
        return Ok(FAULTS.iter().collect());
    }
    let find = |name: &String| FAULTS.iter().find(|fault| fault.name == name).ok_or_else(|| name.clone());
    names.iter().map(find).collect()
}
