//! A snapshot as operators read it.

use actix_web::web::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Timestamp;
use crate::http::actor_body::ActorBody;

/// The node at one moment; the data of an event `snapshot`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Snapshot {
    /// When, by this node's clock.
    #[schema(value_type = String)]
    pub(super) at: Timestamp,
    /// Which version runs.
    #[schema(value_type = String, example = "0.1.0")]
    pub(super) version: &'static str,
    /// Which engine decides.
    #[schema(value_type = String, example = "redis-lua")]
    pub(super) engine: &'static str,
    /// Whether members are answered here; otherwise coupons are paused, resumed and closed at another node.
    pub(super) serves_api: bool,
    /// How many members wait on this node.
    pub(super) waiting: usize,
    /// Those that still go first, at most 200.
    pub(super) coupons: Vec<CouponLine>,
    /// How many there are besides.
    pub(super) coupons_left_out: usize,
    /// The actors of this node; `null` if their supervisor does not answer.
    pub(super) actors: Option<Vec<ActorBody>>,
    /// Between engine and database; `null` on an engine that has nothing in between.
    pub(super) pipeline: Option<Pipeline>,
    /// How many contradictions are not settled, counted up to 1,000; `null` if the database does not answer.
    pub(super) conflicts: Option<usize>,
    /// How many coupons wait for numbers that are lost; `null` if the database does not answer.
    pub(super) lost: Option<usize>,
    /// The last warnings and errors of this node, the latest first.
    pub(super) troubles: Vec<TroubleLine>,
}

/// One coupon, as this node last heard of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CouponLine {
    /// Its id.
    pub(super) id: String,
    /// What people see.
    pub(super) name: String,
    /// `not_open`, `open`, `paused`, `sold_out`, `closed` or `recovering`.
    #[schema(value_type = String, example = "open")]
    pub(super) state: &'static str,
    /// What operators have said: `active`, `paused` or `closed`.
    #[schema(value_type = String, example = "active")]
    pub(super) lifecycle: &'static str,
    /// How many exist.
    pub(super) total: u32,
    /// How many are issued.
    pub(super) issued: u32,
    /// How many are left.
    pub(super) remaining: u32,
    /// How many a second were issued in the last five seconds, on all nodes; `null` while the engine does not answer.
    pub(super) issued_per_s: Option<f64>,
    /// How many are not yet known to be in the database; `null` where nobody counts them or nobody answers.
    pub(super) outbox: Option<u64>,
    /// When its window begins.
    #[schema(value_type = String)]
    pub(super) opens_at: Timestamp,
    /// When it ends, if it does.
    #[schema(value_type = Option<String>)]
    pub(super) closes_at: Option<Timestamp>,
}

/// What is between engine and database; `null` where nobody answers.
#[derive(Debug, Default, Clone, Serialize, ToSchema)]
pub(in crate::http) struct Pipeline {
    /// Issuances not yet known to be in the database, of the coupons shown.
    pub(super) outbox: Option<u64>,
    /// Messages that wait in the queue, each with one issuance or several.
    pub(super) queue: Option<u64>,
    /// Messages that were set aside.
    pub(super) dead_letters: Option<u64>,
}

/// A warning or an error, as it was logged.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TroubleLine {
    /// When.
    #[schema(value_type = String)]
    pub(super) at: Timestamp,
    /// `warning` or `error`.
    #[schema(value_type = String, example = "warning")]
    pub(super) level: &'static str,
    /// What was said.
    pub(super) text: String,
}

impl Snapshot {
    /// As an event of the stream.
    pub(super) fn event(&self) -> Bytes {
        // Writing numbers and strings to memory cannot fail; JSON has no line breaks of its own.
        let data = serde_json::to_string(self).unwrap_or_default();
        format!("event: snapshot\ndata: {data}\n\n").into()
    }
}
