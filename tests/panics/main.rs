//! Actors that panic on purpose in the middle of a race, in a node inside the test's own process.
//!
//! Where they panic is process-wide, so each test needs a process of its own, which cargo-nextest gives it.
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
