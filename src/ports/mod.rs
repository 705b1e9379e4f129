//! Traits for the services outside the process. Their docs state the guarantees, also after a crash.

#![warn(missing_docs)]

mod admission_engine;
mod cluster;
mod coupon_catalog;
mod dead_letters;
mod engine_recovery;
mod event_bus;
mod event_source;
mod issuance_store;
mod lost_numbers;
mod outbox;
mod quarantine;
mod vitals;

/// Cause of a port's error, from any technology.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub use admission_engine::{AdmissionEngine, BatchAnswer, CouponsPage, EngineError, HoldersPage, MAX_BATCH};
pub use cluster::{
    Cluster, ClusterError, ClusterTime, HeartbeatReply, NodeId, NodeReports, OpenRecovery, Round,
};
pub use coupon_catalog::{
    CatalogChange, CatalogError, CatalogPage, CouponCatalog, TotalChange, UnreadableCoupon,
};
pub use dead_letters::{
    DeadLetter, DeadLetterError, DeadLetters, LetterCounts, LetterEvent, LetterEventKind,
};
pub use engine_recovery::{EngineRecovery, Epoch, HighWatermark, NodeReport};
pub use event_bus::{BusError, CouponIssued, EventBus};
pub use event_source::{Delivery, DeliveryTag, EventSource, EventStream, SourceError};
pub use issuance_store::{Conflict, InsertReport, IssuanceStore, StoreError};
pub use lost_numbers::{Loss, LossError, LostNumbers, Permission};
pub use outbox::{Outbox, OutboxEntry};
pub use quarantine::{ConflictFilter, ConflictId, KeptConflict, Quarantine, QuarantineError, Settlement};
pub use vitals::{ConnectionPool, PoolUse, QueueWatch, Queues};
