//! Reading of queue lengths, on a connection that publishes nothing: the broker never blocks it, and cutting it
//! disturbs no publisher.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::connection::within;
use super::errors::BrokerError;
use super::link::{Link, Links};
use super::settings::RabbitSettings;
use crate::ports::{BusError, QueueWatch, Queues};

/// Bound of one reading on an open connection.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the queue lengths of one namespace.
#[derive(Debug)]
pub struct RabbitQueues {
    links: Links,
}

impl RabbitQueues {
    /// Connects on the first reading.
    #[must_use]
    pub fn new(settings: RabbitSettings) -> Self {
        Self { links: Links::new(settings, "openrun vitals") }
    }

    /// Closes the connection in order.
    pub async fn close(&self) {
        if let Some(link) = self.links.close().await {
            link.session.close().await.ok();
        }
    }
}

async fn read(link: &Link) -> Result<Queues, BrokerError> {
    let channel = link.channel().await?;
    let waiting = link.session.backlog(&channel).await?;
    let dead = link.session.dead_letters(&channel).await?;
    link.release(channel);
    Ok(Queues { waiting, dead })
}

#[async_trait]
impl QueueWatch for RabbitQueues {
    async fn queues(&self) -> Result<Queues, BusError> {
        let unavailable = |error: BrokerError| BusError::Unavailable(error.into());
        let link: Arc<Link> = self.links.current().await.map_err(unavailable)?;
        let queues = within(READ_TIMEOUT, "reading the queue lengths", read(&link)).await;
        match &queues {
            Ok(_) => self.links.succeeded().await,
            // The next connection declares deleted queues again.
            Err(error) => self.links.failed(&link, error.to_string()).await,
        }
        queues.map_err(unavailable)
    }
}
