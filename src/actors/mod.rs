//! Who does the work: one actor a file, each a thin shell around a plain struct that can be tested without it.
//!
//! What actix does and does not do for them is in ARCHITECTURE.md, "Actors".

mod acks;
mod answer;
mod batch;
mod confirmed;
mod contain;
mod coupon_event;
mod desk;
pub mod fail_point;
mod gate_keeper;
mod handle;
mod hands;
mod looping;
mod outbox;
mod peers;
mod persister;
mod persister_batch;
mod presence;
mod publisher;
mod reconciler;
mod recovery;
mod registry;
mod right;
mod shards;
mod silence;
mod supervisor;
mod vitals;

pub use acks::{AckBoard, AckPending, AckPlace, AckSources, Acks};
pub use answer::{Answer, AskError, Issued};
pub use coupon_event::CouponEventActor;
pub use desk::{CouponDesk, DeskError};
pub use gate_keeper::{FirstRoundError, GateKeeperActor, GateKeeperChild, KeeperParts, KeeperSignal};
pub use handle::{CouponHandle, here_now};
pub use hands::Hands;
pub use looping::{LoopActor, LoopWork};
pub use outbox::{OutboxActor, SweepParts};
pub use peers::{NotHeard, Peers};
pub use persister::{PersisterActor, PersisterParts};
pub use presence::{PresenceActor, PresenceParts};
pub use publisher::{PublisherActor, PublisherInbox};
pub use reconciler::{
    CouponProof, CouponReport, DriftKind, DriftReport, Finding, Promise, ProofReport, ReconcileError,
    ReconcileParts, ReconcileSchedule, Reconciler, ReconcilerActor, RepairMode, Unwatched, Watch, verify,
};
pub use recovery::{Recoveries, RecoveryParts};
pub use registry::{CouponRegistry, Limits};
pub use right::Right;
pub use shards::Shards;
pub use silence::DatabaseSilence;
pub use supervisor::{
    ActorDesk, ActorDeskError, ActorState, ActorView, Child, DeathNote, FailedActors, Leave, Observe,
    Restart, StandDown, Supervise, SupervisorActor,
};
pub use vitals::{VitalsActor, VitalsParts, VitalsStack};
