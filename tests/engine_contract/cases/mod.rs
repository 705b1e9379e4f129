//! The cases, by theme. Each takes a fixture with an engine without coupons.

pub(crate) mod batches;
pub(crate) mod concurrency;
pub(crate) mod crash;
pub(crate) mod holders;
pub(crate) mod idempotence;
pub(crate) mod issuing;
pub(crate) mod property;
pub(crate) mod reconfiguration;
pub(crate) mod unknown;
pub(crate) mod window;
