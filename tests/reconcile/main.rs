//! `openrun reconcile` and `openrun verify` on consistent data and on tampered data.

#[path = "../support/mod.rs"]
mod support;

mod arrange;
mod drift;
mod embedded;
mod live;
mod mistakes;
mod postgres;
mod proofs;
mod schedule;
mod tampered;
