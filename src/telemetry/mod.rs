//! Metrics, log lines and traces.

mod coupons;
mod escape;
mod log_format;
mod logging;
mod metric_registrar;
mod metrics;
mod pipeline;
mod recent_logs;
mod traces;

pub use coupons::{COUPONS_MAX, CouponGauges, CouponSample};
pub use log_format::LogFormat;
pub use logging::{DEMO_FILTER, MIGRATE_FILTER, SERVE_FILTER, init};
pub use metrics::{Metrics, Outcome};
pub use pipeline::{PersistMetrics, ReconcileMetrics, ServiceGauges};
pub use recent_logs::{LogLine, recent_log_lines};
pub use traces::{
    DatabaseCall, Destination, RawTraceSettings, TraceSettings, TraceSettingsError, TraceSpan, TraceSpanKind,
    Traces, is_tracing, run_in,
};
