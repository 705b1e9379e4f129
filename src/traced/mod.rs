//! The ports with spans around them: what the service asks of the world, as part of the work that it is asked for. Where nothing
//! is traced, nobody puts them in between.

mod bus;
mod engine;
mod store;

pub use bus::TracedBus;
pub use engine::TracedEngine;
pub use store::TracedStore;

use crate::telemetry::{TraceSpan, TraceSpanKind};

/// What a call on a database is called, in the words of the semantic conventions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseCall {
    /// `db.system.name`.
    pub system: &'static str,
    /// The span's name.
    pub name: &'static str,
    /// `db.operation.name`, where the call is one operation.
    pub operation: Option<&'static str>,
    /// What the operation is done to: the name of the attribute, and its value.
    pub target: Option<(&'static str, &'static str)>,
}

impl DatabaseCall {
    /// Runs `body` as this call, for so many members at once, if the work that asks for it is traced.
    async fn run<T, E: std::fmt::Display>(
        &self,
        batch: usize,
        body: impl Future<Output = Result<T, E>>,
        kind_of: impl FnOnce(&E) -> &'static str,
    ) -> Result<T, E> {
        let Some(span) = TraceSpan::current().and_then(|work| work.child(TraceSpanKind::Client, self.name))
        else {
            return body.await;
        };
        span.set("db.system.name", self.system);
        if let Some(operation) = self.operation {
            span.set("db.operation.name", operation);
        }
        if let Some((key, value)) = self.target {
            span.set(key, value);
        }
        if batch > 1 {
            span.set("db.operation.batch.size", count(batch));
        }
        let answer = span.run(body).await;
        if let Err(error) = &answer {
            span.failed(kind_of(error), &error.to_string());
        }
        answer
    }
}

/// A number as attributes have it.
fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
