//! Work beside the requests: gates, outboxes, metrics, and operators' changes of coupons.

mod coupon_admin;
mod gate_keeper;
mod metrics_sampler;
mod outbox_sweep;

pub use coupon_admin::{CouponAdmin, CouponAdminError};
pub use gate_keeper::{FirstRoundError, GateKeeperActor, GateKeeperDeps};
pub use metrics_sampler::{MetricsSamplerActor, MetricsSamplerDeps, SampledStack};
pub use outbox_sweep::{OutboxActor, SweepDeps};
