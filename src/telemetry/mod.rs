//! What an operator sees of the service from outside: metrics, log lines and traces.

mod log_format;
mod logging;
mod metrics;
mod reconciled;
mod traces;

pub use logging::{LogFormat, init};
pub use metrics::{Metrics, Outcome};
pub use reconciled::Reconciled;
pub use traces::{
    Destination, MAX_TRACES, RawTraceSettings, TraceSettings, TraceSettingsError, Traces, Work, WorkKind,
    is_tracing, run_as,
};
