//! An actor in the list of actors and in the live snapshot.

use serde::Serialize;
use utoipa::ToSchema;

use crate::actors::runtime::ActorView;
use crate::domain::Timestamp;

/// A supervised actor of this node.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ActorBody {
    /// Unique on the node.
    #[schema(example = "coupon-event/summer")]
    name: String,
    #[schema(value_type = String, example = "coupon-event")]
    kind: &'static str,
    /// `running`, `restarting`, or `failed`: it died too often and stays down until an operator restarts it.
    #[schema(value_type = String, example = "running")]
    state: &'static str,
    /// The number of messages that wait for the actor.
    mailbox_depth: usize,
    /// The number of restarts since the node started.
    restarts: u64,
    /// The reason of its last death.
    last_failure: Option<String>,
    /// The begin of this state.
    #[schema(value_type = String)]
    since: Timestamp,
}

impl From<ActorView> for ActorBody {
    fn from(view: ActorView) -> Self {
        Self {
            name: view.name,
            kind: view.kind,
            state: view.state.as_str(),
            mailbox_depth: view.waiting,
            restarts: view.restarts,
            last_failure: view.last_failure,
            since: view.since,
        }
    }
}
