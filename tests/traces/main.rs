//! Traces as a collector receives them, from a real node over the real protocol.

#[path = "../support/mod.rs"]
mod support;

mod away;
mod chosen;
mod embedded;
mod members;
mod receiver;
mod stack;
