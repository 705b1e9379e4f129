//! Duties of the Redis engines alone: fences, scripts that write all or nothing, the outbox, the connection.

#[path = "../support/mod.rs"]
mod support;

mod arrange;
mod clock;
mod connecting;
mod fences;
mod lock;
mod memory;
mod outbox;
mod partial_writes;
mod rebuild;
mod silence;
