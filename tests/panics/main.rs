//! Actors that panic on purpose during a race, in a node inside the test's own process.
//!
//! The armed panic points are process-wide, so each test needs a process of its own, which cargo-nextest provides.
#![cfg(feature = "test-panics")]

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod failing;
mod operators;
mod restarting;
mod stage;
mod supervision;
mod transport;
