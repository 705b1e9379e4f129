//! The catalogue and the store on a real PostgreSQL: what its constraints forbid, what is repeated, and what happens
//! when it is away.

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
