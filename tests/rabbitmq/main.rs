//! The bus and the source on a real RabbitMQ: confirmed messages survive, unreadable ones are dead-lettered alone, and
//! a lost connection is reopened.

#[path = "../support/mod.rs"]
mod support;

mod batches;
mod connecting;
mod consuming;
mod fixtures;
mod letters;
mod low_memory;
mod outage;
mod publishing;
mod rejecting;
mod topology;
