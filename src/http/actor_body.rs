//! An actor as operators read it, in the list and in the live snapshot.

use serde::Serialize;
use utoipa::ToSchema;

use crate::actors::runtime::ActorView;
use crate::domain::Timestamp;

/// One actor.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ActorBody {
    /// Its name, unique on the node.
    #[schema(example = "coupon-event/summer")]
    name: String,
    /// What it is one of.
    #[schema(value_type = String, example = "coupon-event")]
    kind: &'static str,
    /// `running`, `restarting`, or `failed`: it died too often and stays down until it is restarted by this API.
    #[schema(value_type = String, example = "running")]
    state: &'static str,
    /// How many messages wait for it.
    mailbox_depth: usize,
    /// How often it was made again since the node started.
    restarts: u64,
    /// Why it died the last time.
    last_failure: Option<String>,
    /// Since when it is in this state.
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
