//! The load generator of openrun. It knows openrun only by HTTP, so what it measures is what a member would see.
//!
//! Modules in reading order: where to send ([`target`]), how ([`connection`]), what comes back ([`api`]), the race
//! itself ([`race`]), what must hold of the answers alone ([`issued_answers`]), and how a person and a program read the result
//! ([`report`]). Beside them, services of one's own that can be broken on purpose ([`fleet`]), and the
//! scenario that does so ([`chaos`]).

pub mod admin_client;
pub mod api;
pub mod bare;
pub mod bench;
pub mod chaos;
pub mod connection;
pub mod drive;
pub mod fleet;
pub mod format;
pub mod issued_answers;
pub mod latency;
pub mod page;
pub mod preflight;
pub mod progress;
pub mod race;
pub mod report;
mod rng;
pub mod rows;
pub mod run;
pub mod target;

pub use issued_answers::IssuedAnswer;
pub use progress::{Bar, NoProgress, Progress, Snapshot};
pub use race::{Patience, RaceConfig, RaceError, RaceReport};
pub use report::{Figures, Report, Verdict};
pub use target::Target;
