//! The bench: every engine, and handlers that do next to nothing, one after the other on this machine, in rounds, so that
//! what the machine does meanwhile meets all of them alike.
//!
//! In reading order: who takes part (`contender`), what they stand on (`ground`), the process under measurement
//! (`server`), one measurement (`window`), the rounds (`rounds`), what they come to ([`figures`], [`targets`])
//! and how a person reads it ([`table`]). Beside them the measurements that are no rounds: [`growth`], [`burst`], [`idle`].

pub mod burst;
pub mod config;
pub mod contender;
pub mod figures;
mod files;
mod ground;
pub mod growth;
pub mod hold;
pub mod idle;
mod peers;
mod rounds;
mod server;
pub mod table;
pub mod targets;
mod window;
mod wrk;

pub use self::config::{BenchConfig, Variant};
pub use self::figures::{BenchReport, Path, Sample, Summary};
pub use self::rounds::run;

/// Why there is no result, in one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BenchError(pub(crate) String);

impl From<String> for BenchError {
    fn from(sentence: String) -> Self {
        Self(sentence)
    }
}

/// Turns any error into the sentence that it is.
fn sentence(error: impl std::fmt::Display) -> BenchError {
    BenchError(error.to_string())
}
