//! The path of an issuance from the engine to the database: publisher, RabbitMQ, persisters; and the board on which they
//! report its ack level.

pub(super) mod ack_board;
pub(super) mod confirmed;
mod database_outage;
pub(super) mod in_flight;
mod persister;
pub(super) mod publisher;

pub use ack_board::AckBoard;
pub use database_outage::DatabaseOutage;
pub use in_flight::InFlight;
pub use persister::{PersisterActor, PersisterDeps};
pub use publisher::{PublisherActor, PublisherInbox};
