//! RabbitMQ: topology, publishing with confirms, and consuming.

mod bus;
mod connection;
mod errors;
mod glance;
mod letters;
mod link;
mod message;
mod settings;
mod source;
mod topology;
mod window;

pub use bus::RabbitBus;
pub use errors::BrokerError;
pub use glance::dead_letters;
pub use letters::RabbitLetters;
pub use message::{CONTENT_TYPE, EVENT_TYPE, MAX_MESSAGE_BYTES, decode, encode};
pub use settings::{Namespace, RabbitSettings};
pub use source::{RabbitSource, RabbitStream};
pub use topology::{Topology, declare};
