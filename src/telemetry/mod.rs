//! What an operator sees of the service from outside: metrics, log lines and traces.

mod coupons;
mod escape;
mod log_format;
mod logging;
mod metric_registrar;
mod metrics;
mod persisting;
mod recent_logs;
mod reconciled;
mod services;
mod traces;

pub use coupons::{COUPONS_MAX, CouponGauges, CouponSample};
pub use log_format::LogFormat;
pub use logging::{DEMO_FILTER, MIGRATE_FILTER, SERVE_FILTER, init};
pub use metrics::{Metrics, Outcome};
pub use persisting::Persisting;
pub use recent_logs::{LogLine, recent_log_lines};
pub use reconciled::Reconciled;
pub use services::ServiceGauges;
pub use traces::{
    DatabaseCall, Destination, MAX_TRACES, RawTraceSettings, TraceSettings, TraceSettingsError, TraceSpan,
    TraceSpanKind, Traces, is_tracing, run_as,
};
