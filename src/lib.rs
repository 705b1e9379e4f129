//! openrun issues limited coupons first come, first served: everyone gets the true answer at once, exactly as many
//! are issued as exist, and none is ever lost.
//!
//! The modules, from the ground up; a module imports only from modules below it (ARCHITECTURE.md says why):

pub mod domain;
pub mod ports;

pub mod clock;
pub mod fault_injection;
pub mod retry;
pub mod sync;
pub mod telemetry;

pub mod gate;
pub mod messaging;
pub mod persistence;

pub mod actors;
pub mod http;

pub mod bootstrap;
pub mod cli;
