//! RabbitMQ: topology, publishing with confirms, and consuming.
