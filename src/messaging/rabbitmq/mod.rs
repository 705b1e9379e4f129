//! RabbitMQ: topology, publishing with confirms, and consuming.

mod ack_tracker;
mod bus;
mod connection;
mod dead_letter_count;
mod errors;
mod letters;
mod link;
mod message;
mod publish_batch;
mod publish_span;
mod queues;
mod settings;
mod source;
mod topology;

pub use bus::RabbitBus;
pub use dead_letter_count::dead_letters;
pub use errors::BrokerError;
pub use letters::RabbitLetters;
pub use message::batch::{
    BATCH_BYTES_MAX, BATCH_CONTENT_TYPE, BATCH_EVENTS_MAX, BATCH_READ_BYTES_MAX, BATCH_READ_EVENTS_MAX,
    encode_batches, read,
};
pub use message::{CONTENT_TYPE, EVENT_TYPE, MAX_MESSAGE_BYTES, decode, encode};
pub use queues::RabbitQueues;
pub use settings::{Namespace, RabbitSettings};
pub use source::{RabbitSource, RabbitStream};
pub use topology::{Topology, declare};
