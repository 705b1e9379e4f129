//! Redis: the engine whose every decision is one Lua script, and its outbox.

mod connection;
mod durability;
mod engine;
mod epoch;
mod failure;
#[cfg(feature = "planted-bugs")]
mod hand_back;
mod keys;
mod known;
mod outbox;
mod recovery;
mod reply;
mod scripts;

pub use connection::{ConnectError, RedisConnection};
pub use durability::{Durability, ServerReport};
pub use engine::RedisLuaEngine;
pub use outbox::RedisOutbox;
