//! The scenario `chaos`: private services and nodes, members under load, faults in an order given by a seed, a history
//! of all requests, and a checker that judges by the history and the final data alone.
//!
//! In reading order: the settings ([`config`]), the faults ([`faults`]), the record ([`history`]), the invariants
//! ([`checker`]), the result ([`report`]), and the test of the harness itself ([`planted`]).

mod amqp;
pub mod checker;
mod clients;
mod clock;
pub(crate) mod command;
pub mod config;
mod coupons;
mod disk;
mod end;
pub mod faults;
pub mod history;
mod injector;
pub(crate) mod metrics;
pub(crate) mod node;
mod operator;
pub mod outage;
pub mod planted;
mod power;
pub(crate) mod probe;
mod recovery;
pub mod report;
mod requester;
mod run;
mod schedule;
mod settle;
mod testbed;
mod truth;

pub use self::config::{Config, Length};
pub use self::planted::{PLANTED_BUGS, PlantedBug};
pub use self::report::Report;
pub use self::run::{ChaosError, run};
