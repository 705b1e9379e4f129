//! The adapters of the ports: one folder per technology. The folders never import one another.

mod catalog_page;
pub mod postgres;
pub mod redis;
pub mod sqlite;
