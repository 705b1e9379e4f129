//! The scenario `chaos`: services and nodes of its own, members who ask, faults that follow a seed, a history of every
//! question and answer, and a checker that knows nothing but this history and the rows at the end.
//!
//! In reading order: what a run is asked to do ([`config`]), what it breaks ([`faults`]), what is written down
//! ([`history`]), what must hold ([`checker`]), what comes out ([`report`]), and whether any of that would notice
//! ([`planted`]).

mod amqp;
mod arena;
mod asking;
pub mod checker;
mod clock;
pub(crate) mod command;
pub mod config;
mod crowd;
mod disk;
mod end;
pub mod faults;
pub mod history;
mod injector;
mod market;
pub(crate) mod metrics;
pub(crate) mod node;
mod operator;
pub mod outage;
pub mod planted;
mod power;
pub(crate) mod probe;
mod recovery;
pub mod report;
mod run;
mod schedule;
mod settle;
mod truth;

pub use self::config::{Config, Length};
pub use self::planted::{PLANTED_BUGS, PlantedBug};
pub use self::report::Report;
pub use self::run::{ChaosError, run};
