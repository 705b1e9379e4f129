//! Duties of the Redis engines alone: fences, scripts that write all or nothing, the outbox, the connection.

#[path = "../support/mod.rs"]
mod support;

mod arrange;
mod clock;
mod connecting;
mod fences;
mod lock;
mod memory;
mod no_answer;
mod outbox;
mod partial_writes;
mod rebuild;
mod replaced;
mod sentinel;
mod ways;
