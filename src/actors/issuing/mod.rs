//! The path of an issue request on this node: registry, handle, coupon actor, and the wait for an ack level.

mod acks;
mod answer;
mod batch;
mod coupon_actor;
mod handle;
mod registry;
mod wake_signal;

pub use acks::{AckPending, AckSlot, AckSources, Acks};
pub use answer::{Answer, IssueError, Issued};
pub use coupon_actor::CouponEventActor;
pub use handle::CouponHandle;
pub use registry::{AdmissionLimits, CouponRegistry};
pub use wake_signal::WakeSignal;
