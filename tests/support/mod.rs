//! What integration tests stand on: the services of the run, services of a test's own, and a proxy that misbehaves.
//!
//! A test crate takes it in by `#[path = "../support/mod.rs"] mod support;`.

// Each test crate compiles this for itself and uses a part of it only.
#![allow(dead_code)]

pub(crate) mod ended;
pub(crate) mod node;
pub(crate) mod races;
pub(crate) mod shared;
pub(crate) mod strays;

// The load generator's scenario `chaos` stands on the same.
#[allow(unused_imports)]
pub(crate) use openrun_load::fleet::{ports, process, proxy, services};
