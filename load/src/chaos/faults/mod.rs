//! The faults: what can be broken, by name. Each breaks something, waits, and makes it whole again.

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
use super::arena::Arena;
use crate::fleet::proxy::Mode;

/// Why a fault was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// This machine or this binary cannot do it.
    Skipped(String),
    /// It was begun, and something went wrong that should not have.
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

/// One of them.
pub struct Fault {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What happens, in words.
    pub about: &'static str,
    /// Whether it touches Redis or a node, so that no total may be raised meanwhile.
    pub(super) needs_calm: bool,
    pub(super) run: for<'a> fn(&'a mut Arena) -> Running<'a>,
}

macro_rules! fault {
    ($name:literal, $calm:expr, $about:literal, |$arena:ident| $run:expr) => {
        Fault { name: $name, about: $about, needs_calm: $calm, run: |$arena| Box::pin($run) }
    };
}

/// Nothing but RabbitMQ or PostgreSQL is touched.
const BUSY: bool = false;
/// Redis or a node is touched.
const CALM: bool = true;
const SLOW: Mode = Mode::Delay(Duration::from_millis(150));

/// All of them.
pub const FAULTS: &[Fault] = &[
    fault!("node-killed", CALM, "a node is killed and started again", |arena| nodes::killed(arena)),
    fault!("node-frozen", CALM, "a node stops for seconds, and goes on", |arena| nodes::frozen(arena)),
    fault!("node-terminated", CALM, "a node is asked to end, and started again", |arena| nodes::terminated(
        arena
    )),
    fault!("nodes-killed", CALM, "all nodes are killed at once", |arena| nodes::all_killed(arena)),
    fault!("abort-admitted", CALM, "a node dies after the script's reply", |arena| {
        aborts::at(arena, aborts::ADMITTED)
    }),
    fault!("abort-published", CALM, "a node dies after publishing", |arena| aborts::at(
        arena,
        aborts::PUBLISHED
    )),
    fault!("abort-confirmed", CALM, "a node dies after the broker's confirm", |arena| {
        aborts::at(arena, aborts::CONFIRMED)
    }),
    fault!("abort-committed", CALM, "a node dies after COMMIT, before the ack", |arena| {
        aborts::at(arena, aborts::COMMITTED)
    }),
    fault!("abort-buried", CALM, "a node dies after burying poison, before the ack", |arena| {
        aborts::buried(arena)
    }),
    fault!("abort-replayed", CALM, "a node dies after replaying a letter, before the ack", |arena| {
        aborts::replayed(arena)
    }),
    fault!("redis-killed", CALM, "Redis is killed and started again", |arena| redis::killed(arena)),
    fault!("redis-frozen", CALM, "Redis stops for seconds, and goes on", |arena| redis::frozen(arena)),
    fault!("redis-power-lost", CALM, "Redis is killed and loses what it had not synced", |arena| {
        redis::power_lost(arena)
    }),
    fault!("redis-flushed", CALM, "FLUSHALL", |arena| redis::flushed(arena)),
    fault!(
        "redis-emptied",
        CALM,
        "Redis is killed and comes back without its files",
        |arena| redis::emptied(arena)
    ),
    fault!("redis-rolled-back", CALM, "Redis comes back with an older copy of its files", |arena| {
        redis::rolled_back(arena)
    }),
    fault!("redis-failed-over", CALM, "Redis is killed and a replica takes its place", |arena| {
        redis::failed_over(arena)
    }),
    fault!("redis-link-cut", CALM, "nodes cannot reach Redis", |arena| {
        links::broken(arena, Service::Redis, Mode::Cut)
    }),
    fault!("redis-link-held", CALM, "nothing passes between nodes and Redis", |arena| {
        links::broken(arena, Service::Redis, Mode::Hold)
    }),
    fault!("redis-link-slow", CALM, "Redis is far away", |arena| links::broken(arena, Service::Redis, SLOW)),
    fault!("redis-replies-lost", CALM, "Redis does what it is told, and nobody hears of it", |arena| {
        links::broken(arena, Service::Redis, Mode::SwallowReplies)
    }),
    fault!("redis-unheard", CALM, "Redis does what one node says, which never hears of it", |arena| {
        links::one_node_unheard(arena)
    }),
    fault!("rabbitmq-killed", BUSY, "RabbitMQ is killed and started again", |arena| rabbitmq::killed(arena)),
    fault!("rabbitmq-frozen", BUSY, "RabbitMQ stops for seconds, and goes on", |arena| rabbitmq::frozen(
        arena
    )),
    fault!("rabbitmq-purged", BUSY, "the queue is emptied", |arena| rabbitmq::purged(arena)),
    fault!("rabbitmq-unbound", BUSY, "the queue loses its binding", |arena| rabbitmq::unbound(arena)),
    fault!("rabbitmq-queue-deleted", BUSY, "the queue is deleted", |arena| rabbitmq::queue_deleted(arena)),
    fault!("rabbitmq-emptied", BUSY, "RabbitMQ is killed and comes back without its files", |arena| {
        rabbitmq::emptied(arena)
    }),
    fault!("rabbitmq-memory-alarm", BUSY, "RabbitMQ blocks its publishers", |arena| rabbitmq::memory_alarm(
        arena
    )),
    fault!("rabbitmq-link-cut", BUSY, "nodes cannot reach RabbitMQ", |arena| {
        links::broken(arena, Service::RabbitMq, Mode::Cut)
    }),
    fault!("rabbitmq-link-held", BUSY, "nothing passes between nodes and RabbitMQ", |arena| {
        links::broken(arena, Service::RabbitMq, Mode::Hold)
    }),
    fault!("rabbitmq-link-slow", BUSY, "RabbitMQ is far away", |arena| {
        links::broken(arena, Service::RabbitMq, SLOW)
    }),
    fault!("rabbitmq-replies-lost", BUSY, "RabbitMQ takes messages, and nobody hears of it", |arena| {
        links::broken(arena, Service::RabbitMq, Mode::SwallowReplies)
    }),
    fault!("postgres-killed", BUSY, "PostgreSQL is killed and started again", |arena| postgres::killed(
        arena
    )),
    fault!("postgres-frozen", BUSY, "PostgreSQL stops for seconds, and goes on", |arena| postgres::frozen(
        arena
    )),
    fault!("postgres-read-only", BUSY, "PostgreSQL takes no writes", |arena| postgres::read_only(arena)),
    fault!("postgres-no-connections", BUSY, "others take all connections to PostgreSQL", |arena| {
        postgres::no_connections(arena)
    }),
    fault!("postgres-disk-full", BUSY, "the disk of PostgreSQL's tables is full", |arena| {
        postgres::disk_full(arena)
    }),
    fault!("postgres-link-cut", BUSY, "nodes cannot reach PostgreSQL", |arena| {
        links::broken(arena, Service::Postgres, Mode::Cut)
    }),
    fault!("postgres-link-held", BUSY, "nothing passes between nodes and PostgreSQL", |arena| {
        links::broken(arena, Service::Postgres, Mode::Hold)
    }),
    fault!("postgres-link-slow", BUSY, "PostgreSQL is far away", |arena| {
        links::broken(arena, Service::Postgres, SLOW)
    }),
    fault!("postgres-replies-lost", BUSY, "PostgreSQL commits, and nobody hears of it", |arena| {
        links::broken(arena, Service::Postgres, Mode::SwallowReplies)
    }),
    fault!("contradiction", BUSY, "a message comes that contradicts a row", |arena| messages::contradiction(
        arena
    )),
    fault!("poison", BUSY, "a message comes that nobody can read", |arena| messages::poison(arena)),
    fault!("power-failure", CALM, "Redis and all nodes lose power while RabbitMQ is away", |arena| {
        together::power_failure(arena)
    }),
    fault!(
        "nodes-killed-postgres-away",
        CALM,
        "all nodes are killed with unwritten deliveries in hand",
        |arena| together::nodes_killed_postgres_away(arena)
    ),
    fault!("nodes-killed-queue-purged", CALM, "all nodes are killed and the queue is emptied", |arena| {
        together::nodes_killed_queue_purged(arena)
    }),
];

/// The faults of these names, or all; the first name that there is not.
pub(super) fn named(names: &[String]) -> Result<Vec<&'static Fault>, String> {
    if names.is_empty() {
        return Ok(FAULTS.iter().collect());
    }
    let find = |name: &String| FAULTS.iter().find(|fault| fault.name == name).ok_or_else(|| name.clone());
    names.iter().map(find).collect()
}
