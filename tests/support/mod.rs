//! Helpers of the integration tests: shared services, private services of one test, and a faulty proxy.
//!
//! A test crate includes it by `#[path = "../support/mod.rs"] mod support;`.

// Each test crate compiles this module and uses only some of it.
#![allow(dead_code)]

pub(crate) mod ended;
pub(crate) mod node;
pub(crate) mod races;
pub(crate) mod shared;
pub(crate) mod strays;

// The load generator's scenario `chaos` uses the same modules.
#[allow(unused_imports)]
pub(crate) use openrun_load::fleet::{ports, process, proxy, services};
