//! openrun issues limited coupons first come, first served: everyone gets the true answer at once, exactly as many
//! are issued as exist, and none is ever lost.
//!
//! The rooms, from the ground up; a room imports only from rooms below it (ARCHITECTURE.md says why):

pub mod domain;
pub mod ports;

pub mod retry;
pub mod sabotage;
pub mod telemetry;

pub mod gate;
pub mod messaging;
pub mod persistence;
pub mod traced;

pub mod actors;
pub mod http;

pub mod bootstrap;
pub mod cli;
