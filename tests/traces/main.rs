//! The traces of a node, received over OTLP as by a collector.

#[path = "../support/mod.rs"]
mod support;

mod away;
mod chosen;
mod embedded;
mod members;
mod receiver;
mod stack;
