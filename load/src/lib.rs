//! The load generator of openrun. It knows openrun only by HTTP, so what it measures is what a member would see.

pub mod api;
pub mod connection;
pub mod format;
pub mod latency;
pub mod progress;
pub mod race;
pub mod target;
pub mod told;

pub use progress::{Bar, Progress, Silent, Snapshot};
pub use race::{Patience, RaceConfig, RaceError, RaceReport};
pub use target::Target;
pub use told::Told;
