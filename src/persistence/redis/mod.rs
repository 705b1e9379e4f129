//! Redis: the engine whose every decision is one Lua script, the one that decides under a lock, and their outbox.

mod connection;
mod durability;
mod engine;
mod epoch;
mod failure;
#[cfg(feature = "planted-bugs")]
mod hand_back;
mod keys;
mod known;
mod lock;
mod lock_engine;
mod outbox;
mod recovery;
mod reply;
mod scripts;

pub use connection::{ConnectError, RedisConnection};
pub use durability::{Durability, ServerReport};
pub use engine::RedisLuaEngine;
pub use lock_engine::RedisLockEngine;
pub use outbox::RedisOutbox;
