//! Redis: the engine that decides in one Lua script, the engine that decides under a lock, and their outbox.

mod connect_error;
mod connection;
mod durability;
mod engine;
mod epoch;
mod failure;
mod keys;
mod link;
mod lock;
mod lock_engine;
mod node_memory;
mod outbox;
mod recovery;
mod reply;
mod route;
mod scripts;
mod sentinel;
#[cfg(feature = "planted-bugs")]
mod stock_back;

pub use connect_error::ConnectError;
pub use connection::RedisConnection;
pub use durability::{Durability, LossPolicy, ServerReport};
pub use engine::RedisLuaEngine;
pub use lock_engine::RedisLockEngine;
pub use outbox::RedisOutbox;
