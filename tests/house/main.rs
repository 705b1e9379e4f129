//! Tests of the house itself: the floors of the code, and the support that other tests stand on.

#[path = "../support/mod.rs"]
mod support;

mod floors;
mod kubernetes;
mod logs;
mod proxy;
mod services;
mod shared;
