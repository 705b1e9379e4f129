//! The adapters of PostgreSQL against a real server: constraints, repetitions and outages.

#[path = "../support/mod.rs"]
mod support;

mod catalog;
mod cluster;
mod connecting;
mod fixtures;
mod holders;
mod outage;
mod quarantine;
mod rights;
mod rules;
mod schema;
mod store;
mod two_persisters;
mod watermark;
