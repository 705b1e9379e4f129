//! Services that belong to one test or one run, which may stop, freeze, kill and restart them, and a proxy that loses,
//! holds, delays or swallows what passes. Everything is gone when its owner is, whatever ended that.
//!
//! Whoever uses this is a test, or the scenario `chaos`: what goes wrong here ends it. So the functions panic, with a
//! sentence that says what to do, instead of returning errors that nobody could handle.

pub mod ports;
pub mod process;
pub mod proxy;
pub mod services;
