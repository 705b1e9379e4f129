//! The bus and the source on a real RabbitMQ: what is confirmed stays, what cannot be read is set aside alone, and a
//! lost connection comes back.

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
