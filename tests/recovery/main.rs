//! What holds after a node, a service or the network has died in the middle.

#[path = "../support/mod.rs"]
mod support;

mod acks;
mod arrange;
mod in_hand;
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
