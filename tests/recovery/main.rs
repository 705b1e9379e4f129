//! Invariants after a crash of a node, an outage of a service, or a loss of the network.

#[path = "../support/mod.rs"]
mod support;

mod acks;
mod arrange;
mod in_flight;
mod letters;
mod lifecycle;
#[cfg(feature = "test-panics")]
mod lost_numbers;
mod messages;
mod node_killed;
mod outages;
mod postgres_decides;
mod race;
mod redis_lost;
mod roles;
mod two_nodes;
