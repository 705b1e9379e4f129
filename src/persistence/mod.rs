//! What is kept: one folder a technology. They never import one another.

pub mod postgres;
pub mod redis;
pub mod sqlite;
