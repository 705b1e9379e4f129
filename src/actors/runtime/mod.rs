//! The common base of all actors: supervision, panic boundaries, background tasks, arbiters. Knows no coupon.

mod arbiters;
mod background_actor;
pub(super) mod catch_panic;
pub(super) mod deadline;
mod supervisor;

pub use arbiters::Arbiters;
pub use background_actor::{BackgroundActor, BackgroundTask};
pub(super) use supervisor::stop_on_signal;
pub use supervisor::{
    ActorAdmin, ActorAdminError, ActorState, ActorView, BeginShutdown, Child, ExitNotice, FailedActors,
    Observe, Restart, StopSignal, Supervise, SupervisorActor,
};
