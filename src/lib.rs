//! openrun issues limited coupons, first come, first served: every member gets the true answer at once, exactly as many
//! coupons are issued as exist, and no issuance is lost.
//!
//! The modules, from the ground up. A module imports only from modules above it in this list; ARCHITECTURE.md gives the
//! reasons.

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
