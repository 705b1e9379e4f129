//! `openrun reconcile` and `openrun verify` on data that somebody has tampered with, and on data that nobody has.

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
