//! The bench: measures every engine and minimal handlers one after the other on this machine, in rounds, so
//! that disturbances of the machine affect all of them alike.
//!
//! In reading order: the contenders (`contender`), the services that they use (`services`), the process under
//! measurement (`server`), one measurement (`measurement`), the rounds (`rounds`), their results
//! ([`figures`], [`targets`]) and the printed tables ([`table`]). Beside them are the measurements without
//! rounds: [`growth`], [`burst`], and [`idle`] with its processes that hold connections ([`hold`]).

pub mod burst;
pub mod config;
pub mod contender;
pub mod figures;
mod files;
pub mod growth;
pub mod hold;
pub mod idle;
mod measurement;
mod peers;
mod rounds;
mod server;
mod services;
pub mod table;
pub mod targets;
mod wrk;

pub use self::config::{BenchConfig, Variant};
pub use self::figures::{BenchReport, Path, Sample, Summary};
pub use self::rounds::run;

/// The reason why there is no result, in one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BenchError(pub(crate) String);

impl From<String> for BenchError {
    fn from(bench_error: String) -> Self {
        Self(bench_error)
    }
}

fn bench_error(error: impl std::fmt::Display) -> BenchError {
    BenchError(error.to_string())
}
