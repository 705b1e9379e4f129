//! What is kept: one folder a technology. They never import one another. Beside the folders are the rules that every
//! engine goes by which decides outside its store.

mod catalog_page;
pub mod postgres;
pub mod redis;
pub mod sqlite;
