//! The faults by name. Each breaks something, waits, and repairs it.

mod aborts;
mod combined;
mod links;
mod messages;
mod nodes;
mod postgres;
mod rabbitmq;
mod redis;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub(super) use self::aborts::SETTING as ABORT_SETTING;

use self::links::Service;
use super::testbed::TestBed;
use crate::fleet::proxy::Mode;

/// Reason for which a fault was not completed.
#[derive(Debug)]
pub(super) enum FaultError {
    /// This machine or this binary does not support the fault.
    Skipped(String),
    /// The fault began, and a step of it failed.
    Failed(String),
}

impl From<String> for FaultError {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl From<std::io::Error> for FaultError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

pub(super) type FaultResult = Result<(), FaultError>;
type Running<'a> = Pin<Box<dyn Future<Output = FaultResult> + Send + 'a>>;

/// A kind of fault.
pub struct Fault {
    /// Name on the command line and in reports.
    pub name: &'static str,
    /// The event in a few words, for `--list-faults` and the progress lines.
    pub about: &'static str,
    /// Whether no total may be raised during the fault, because it affects Redis or a node.
    pub(super) blocks_raises: bool,
    pub(super) run: for<'a> fn(&'a mut TestBed) -> Running<'a>,
}

macro_rules! fault {
    ($name:literal, $blocks_raises:expr, $about:literal => $run:path $(, $argument:expr)*) => {
        Fault {
            name: $name,
            about: $about,
            blocks_raises: $blocks_raises,
            run: |testbed| Box::pin($run(testbed $(, $argument)*)),
        }
    };
}

/// For faults of RabbitMQ or PostgreSQL: totals may be raised meanwhile.
const RAISES: bool = false;
/// For faults of Redis or a node: no total may be raised meanwhile.
const NO_RAISES: bool = true;
const SLOW: Mode = Mode::Delay(Duration::from_millis(150));

/// Every fault that the command line knows.
pub const FAULTS: &[Fault] = &[
    fault!("node-killed", NO_RAISES, "a node is killed and restarted" => nodes::kill),
    fault!("node-frozen", NO_RAISES, "a node is frozen for seconds" => nodes::freeze),
    fault!("node-terminated", NO_RAISES, "a node is terminated and restarted" => nodes::terminate),
    fault!("nodes-killed", NO_RAISES, "all nodes are killed at once and restarted" => nodes::kill_all),
    fault!("abort-admitted", NO_RAISES, "a node dies after the admission script's reply"
        => aborts::die_at, aborts::ADMITTED),
    fault!("abort-published", NO_RAISES, "a node dies after publishing" => aborts::die_at, aborts::PUBLISHED),
    fault!("abort-confirmed", NO_RAISES, "a node dies after the broker's confirm"
        => aborts::die_at, aborts::CONFIRMED),
    fault!("abort-committed", NO_RAISES, "a node dies after COMMIT, before the ack"
        => aborts::die_at, aborts::COMMITTED),
    fault!("abort-buried", NO_RAISES, "a node dies after dead-lettering an unreadable message, before the ack"
        => aborts::die_while_dead_lettering),
    fault!("abort-replayed", NO_RAISES, "a node dies after replaying a letter, before the ack"
        => aborts::die_while_replaying),
    fault!("redis-killed", NO_RAISES, "Redis is killed and restarted" => redis::kill),
    fault!("redis-frozen", NO_RAISES, "Redis is frozen for seconds" => redis::freeze),
    fault!("redis-power-lost", NO_RAISES, "Redis is killed and loses its unsynced writes" => redis::lose_power),
    fault!("redis-flushed", NO_RAISES, "Redis is emptied by FLUSHALL" => redis::flush),
    fault!("redis-emptied", NO_RAISES, "Redis is killed and restarted without its files" => redis::restart_empty),
    fault!("redis-rolled-back", NO_RAISES, "Redis is killed and restarted with an older copy of its files"
        => redis::roll_back),
    fault!("redis-failed-over", NO_RAISES, "Redis is killed and replaced by its replica" => redis::fail_over),
    fault!("redis-link-cut", NO_RAISES, "connections to Redis are cut"
        => links::break_links, Service::Redis, Mode::Cut),
    fault!("redis-link-held", NO_RAISES, "connections to Redis pass no data"
        => links::break_links, Service::Redis, Mode::Hold),
    fault!("redis-link-slow", NO_RAISES, "connections to Redis are slow"
        => links::break_links, Service::Redis, SLOW),
    fault!("redis-replies-lost", NO_RAISES, "Redis executes commands, and its replies are lost"
        => links::break_links, Service::Redis, Mode::SwallowReplies),
    fault!("redis-unheard", NO_RAISES, "Redis executes the commands of one node, and the replies to it are lost"
        => links::lose_replies_to_one_node),
    fault!("rabbitmq-killed", RAISES, "RabbitMQ is killed and restarted" => rabbitmq::kill),
    fault!("rabbitmq-frozen", RAISES, "RabbitMQ is frozen for seconds" => rabbitmq::freeze),
    fault!("rabbitmq-purged", RAISES, "the queue is purged" => rabbitmq::purge),
    fault!("rabbitmq-unbound", RAISES, "the queue loses its binding" => rabbitmq::unbind),
    fault!("rabbitmq-queue-deleted", RAISES, "the queue is deleted" => rabbitmq::delete_queue),
    fault!("rabbitmq-emptied", RAISES, "RabbitMQ is killed and restarted without its files"
        => rabbitmq::restart_empty),
    fault!("rabbitmq-memory-alarm", RAISES, "RabbitMQ blocks publishers by a memory alarm"
        => rabbitmq::raise_memory_alarm),
    fault!("rabbitmq-link-cut", RAISES, "connections to RabbitMQ are cut"
        => links::break_links, Service::RabbitMq, Mode::Cut),
    fault!("rabbitmq-link-held", RAISES, "connections to RabbitMQ pass no data"
        => links::break_links, Service::RabbitMq, Mode::Hold),
    fault!("rabbitmq-link-slow", RAISES, "connections to RabbitMQ are slow"
        => links::break_links, Service::RabbitMq, SLOW),
    fault!("rabbitmq-replies-lost", RAISES, "RabbitMQ accepts messages, and its replies are lost"
        => links::break_links, Service::RabbitMq, Mode::SwallowReplies),
    fault!("postgres-killed", RAISES, "PostgreSQL is killed and restarted" => postgres::kill),
    fault!("postgres-frozen", RAISES, "PostgreSQL is frozen for seconds" => postgres::freeze),
    fault!("postgres-read-only", RAISES, "PostgreSQL is read-only" => postgres::make_read_only),
    fault!("postgres-no-connections", RAISES, "another client takes all connections to PostgreSQL"
        => postgres::exhaust_connections),
    fault!("postgres-disk-full", RAISES, "the disk of PostgreSQL's tables is full" => postgres::fill_disk),
    fault!("postgres-link-cut", RAISES, "connections to PostgreSQL are cut"
        => links::break_links, Service::Postgres, Mode::Cut),
    fault!("postgres-link-held", RAISES, "connections to PostgreSQL pass no data"
        => links::break_links, Service::Postgres, Mode::Hold),
    fault!("postgres-link-slow", RAISES, "connections to PostgreSQL are slow"
        => links::break_links, Service::Postgres, SLOW),
    fault!("postgres-replies-lost", RAISES, "PostgreSQL commits, and its replies are lost"
        => links::break_links, Service::Postgres, Mode::SwallowReplies),
    fault!("contradiction", RAISES, "a message contradicts a row" => messages::publish_conflict),
    fault!("poison", RAISES, "an unreadable message is published" => messages::publish_unreadable),
    fault!("power-failure", NO_RAISES, "Redis and all nodes lose power while RabbitMQ is unreachable"
        => combined::fail_power),
    fault!("nodes-killed-postgres-away", NO_RAISES, "all nodes are killed with unwritten deliveries in flight"
        => combined::kill_nodes_without_postgres),
    fault!("nodes-killed-queue-purged", NO_RAISES, "all nodes are killed and the queue is purged"
        => combined::kill_nodes_and_purge_queue),
];

/// The faults of these names, or all; the error is the first unknown name.
pub(super) fn select(names: &[String]) -> Result<Vec<&'static Fault>, String> {
    if names.is_empty() {
        return Ok(FAULTS.iter().collect());
    }
    let find = |name: &String| FAULTS.iter().find(|fault| fault.name == name).ok_or_else(|| name.clone());
    names.iter().map(find).collect()
}
