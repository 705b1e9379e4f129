//! A call on a database as a span, under the names of the semantic conventions.

use super::trace_span::{TraceSpan, TraceSpanKind};

const PROCEDURE: &str = "db.stored_procedure.name";
const COLLECTION: &str = "db.collection.name";

/// The attributes that all spans of one call have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseCall {
    /// `db.system.name`.
    system: &'static str,
    /// The span's name.
    name: &'static str,
    /// `db.operation.name`, where the call is one operation.
    operation: Option<&'static str>,
    /// The attribute that names the target of the operation, and its value.
    target: Option<(&'static str, &'static str)>,
}

impl DatabaseCall {
    /// One operation on a table.
    #[must_use]
    pub const fn on_table(
        system: &'static str,
        name: &'static str,
        operation: &'static str,
        table: &'static str,
    ) -> Self {
        Self { system, name, operation: Some(operation), target: Some((COLLECTION, table)) }
    }

    /// A script of Redis.
    #[must_use]
    pub const fn script(name: &'static str, script: &'static str) -> Self {
        Self { system: "redis", name, operation: Some("EVALSHA"), target: Some((PROCEDURE, script)) }
    }

    /// Several operations that belong together.
    #[must_use]
    pub const fn several(system: &'static str, name: &'static str) -> Self {
        Self { system, name, operation: None, target: None }
    }

    /// Runs `body` in a span of its own, if the work that it belongs to is traced. `batch` is the number of members or
    /// rows, `kind_of` gives the `error.type` of a failure.
    pub async fn run<T, E: std::fmt::Display>(
        &self,
        batch: usize,
        body: impl Future<Output = Result<T, E>>,
        kind_of: impl FnOnce(&E) -> &'static str,
    ) -> Result<T, E> {
        let Some(span) =
            TraceSpan::current().and_then(|parent| parent.child(&TraceSpanKind::Client, self.name))
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
            span.set("db.operation.batch.size", i64::try_from(batch).unwrap_or(i64::MAX));
        }
        let answer = span.run(body).await;
        if let Err(error) = &answer {
            span.failed(kind_of(error), &error.to_string());
        }
        answer
    }
}
