//! Looking how full the queues are, on a connection of its own, on which nothing is ever published: so the broker never
//! blocks it, and cutting it hurts nobody.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::errors::BrokerError;
use super::link::{Link, Links};
use super::settings::RabbitSettings;
use crate::ports::{BusError, QueueWatch, Queues};

/// How long one look may take once there is a connection.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// The queues of one namespace, seen from outside.
#[derive(Debug)]
pub struct RabbitQueues {
    links: Links,
}

impl RabbitQueues {
    /// The queues on this broker. It is connected to when they are first looked at.
    #[must_use]
    pub fn new(settings: RabbitSettings) -> Self {
        Self { links: Links::new(settings, "openrun vitals") }
    }

    /// Ends the connection in an orderly way.
    pub async fn close(&self) {
        if let Some(link) = self.links.close().await {
            link.session.goodbye().await.ok();
        }
    }
}

async fn look(link: &Link) -> Result<Queues, BrokerError> {
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
        let looked = timeout(LOOK_WITHIN, look(&link)).await.unwrap_or_else(|_| {
            let after_ms = u64::try_from(LOOK_WITHIN.as_millis()).unwrap_or(u64::MAX);
            Err(BrokerError::TimedOut { what: "looking at the queues", after_ms })
        });
        match &looked {
            Ok(_) => self.links.succeeded().await,
            // The next connection declares anew what somebody may have deleted.
            Err(error) => self.links.failed(&link, error.to_string()).await,
        }
        looked.map_err(unavailable)
    }
}
