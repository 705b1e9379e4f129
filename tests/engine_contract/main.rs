//! The contract of every `AdmissionEngine`, run against each of them.
//!
//! To add an engine, write a file such as `embedded.rs`: a fixture and one `engine_contract!` line.

mod cases;
mod model;
mod suite;
mod support;

#[path = "../support/mod.rs"]
mod services_support;

mod embedded;
mod embedded_only;
mod postgres;
mod postgres_only;
mod redis_lock;
mod redis_lua;
