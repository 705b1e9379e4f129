//! The snapshot of a node, as sent to the console.

use actix_web::web::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Timestamp;
use crate::http::actor_body::ActorBody;

/// The state of the node at one moment; the data of an event `snapshot`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Snapshot {
    /// The time by this node's clock.
    #[schema(value_type = String)]
    pub(super) at: Timestamp,
    #[schema(value_type = String, example = "0.1.0")]
    pub(super) version: &'static str,
    /// The name of the admission engine.
    #[schema(value_type = String, example = "redis-lua")]
    pub(super) engine: &'static str,
    /// Whether the node has the role api. Otherwise coupons are paused, resumed and closed at another node.
    pub(super) serves_api: bool,
    /// The number of issue requests that wait on this node.
    pub(super) waiting: usize,
    /// At most 200 coupons. Those that can still issue come first.
    pub(super) coupons: Vec<CouponLine>,
    /// The number of coupons left out.
    pub(super) coupons_left_out: usize,
    /// The actors of this node; `null` if the supervisor does not answer.
    pub(super) actors: Option<Vec<ActorBody>>,
    /// The way from the engine to the database; `null` on an engine that writes directly.
    pub(super) pipeline: Option<Pipeline>,
    /// The number of unsettled conflicts, counted up to 1,000; `null` if the database does not answer.
    pub(super) conflicts: Option<usize>,
    /// The number of coupons with lost numbers; `null` if the database does not answer.
    pub(super) lost: Option<usize>,
    /// The last warnings and errors of this node, latest first.
    pub(super) troubles: Vec<TroubleLine>,
}

/// A coupon with the last standing that this node knows.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CouponLine {
    pub(super) id: String,
    pub(super) name: String,
    /// `not_open`, `open`, `paused`, `sold_out`, `closed` or `recovering`.
    #[schema(value_type = String, example = "open")]
    pub(super) state: &'static str,
    /// As set by operators: `active`, `paused` or `closed`.
    #[schema(value_type = String, example = "active")]
    pub(super) lifecycle: &'static str,
    pub(super) total: u32,
    pub(super) issued: u32,
    pub(super) remaining: u32,
    /// Issuances per second on all nodes in the last five seconds; `null` while the engine does not answer.
    pub(super) issued_per_s: Option<f64>,
    /// Issuances in the outbox; `null` on an engine without an outbox, or if Redis does not answer.
    pub(super) outbox: Option<u64>,
    #[schema(value_type = String)]
    pub(super) opens_at: Timestamp,
    #[schema(value_type = Option<String>)]
    pub(super) closes_at: Option<Timestamp>,
}

/// Issuances and messages between engine and database; a count is `null` if its service does not answer.
#[derive(Debug, Default, Clone, Serialize, ToSchema)]
pub(in crate::http) struct Pipeline {
    /// Issuances in the outboxes of the coupons shown.
    pub(super) outbox: Option<u64>,
    /// Messages in the queue, each with one or more issuances.
    pub(super) queue: Option<u64>,
    pub(super) dead_letters: Option<u64>,
}

/// A warning or error of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TroubleLine {
    #[schema(value_type = String)]
    pub(super) at: Timestamp,
    /// `warning` or `error`.
    #[schema(value_type = String, example = "warning")]
    pub(super) level: &'static str,
    pub(super) text: String,
}

impl Snapshot {
    /// Serializes the snapshot as a server-sent event.
    pub(super) fn event(&self) -> Bytes {
        // Writing numbers and strings to memory cannot fail, and serde_json writes no line breaks.
        let data = serde_json::to_string(self).unwrap_or_default();
        format!("event: snapshot\ndata: {data}\n\n").into()
    }
}
