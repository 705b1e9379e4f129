//! Redis: the engine that decides in one Lua script, the engine that decides under a lock, and their outbox.

mod connection;
mod durability;
mod engine;
mod epoch;
mod failure;
mod keys;
mod lock;
mod lock_engine;
mod node_memory;
mod outbox;
mod recovery;
mod reply;
mod scripts;
#[cfg(feature = "planted-bugs")]
mod stock_back;

pub use connection::{ConnectError, RedisConnection};
pub use durability::{Durability, ServerReport};
pub use engine::RedisLuaEngine;
pub use lock_engine::RedisLockEngine;
pub use outbox::RedisOutbox;
