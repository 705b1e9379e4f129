//! Private services of one test or run, which can be stopped, frozen, killed and restarted, and a faulty proxy. They
//! end with the owner's process, even if that is killed.
//!
//! The users are tests and the scenario `chaos`, which cannot continue after a failure here. So the functions panic
//! with the remedy instead of returning errors.

pub mod ports;
pub mod process;
pub mod proxy;
pub mod services;
