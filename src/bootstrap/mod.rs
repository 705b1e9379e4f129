//! Builds a node from settings: the only module that knows every adapter.

mod backend;
mod data_location;
mod engine_kind;
mod inspection;
mod node;
mod node_actors;
mod settings;
mod shutdown;

pub use backend::{Backend, Migration, StartError, migrate};
pub use engine_kind::EngineKind;
pub use inspection::{DeadLetterCount, Inspection, InspectionSettings, count_dead_letters};
pub use node::Node;
pub(crate) use settings::is_sendable;
pub use settings::{Role, Settings, SettingsError, StackUrls};
