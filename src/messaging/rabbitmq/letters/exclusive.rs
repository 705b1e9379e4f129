//! Exclusive access to the dead letters: one operator's call at a time, and after every failure the broker requeues
//! them.

use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::time::{Instant, sleep};

use crate::messaging::rabbitmq::connection::{Session, within};
use crate::messaging::rabbitmq::errors::{self, BrokerError};
use crate::messaging::rabbitmq::settings::RabbitSettings;
use crate::ports::DeadLetterError;

/// Upper limit of held letters. A call takes all letters, however few it needs: the queue appends a returned letter to
/// those returned before, so that the order survives only if all of them return together. With more letters than this,
/// the order rotates.
pub(super) const HELD_MAX: u16 = 10_000;
/// Bound of waiting for another call to release the letters, and for returned letters to reach their queue.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval at which the lock and the queue's length are polled.
const POLL: Duration = Duration::from_millis(20);

/// Letters held on a connection of their own. The broker requeues them when the connection ends.
pub(super) struct HeldLetters {
    pub(super) session: Session,
    /// All letters and their copies, the oldest first.
    pub(super) messages: Vec<Delivery>,
    /// Messages that the queue had, including the held ones.
    pub(super) total: usize,
    /// The channel of the held letters; `None` without letters.
    channel: Option<Channel>,
}

impl HeldLetters {
    /// Locks the dead letters and consumes all of them.
    pub(super) async fn acquire(settings: &RabbitSettings) -> Result<Self, DeadLetterError> {
        let session = Session::open(settings, "openrun dead letters").await.map_err(unavailable)?;
        lock(&session).await?;
        let mut held = Self { session, messages: Vec::new(), total: 0, channel: None };
        held.fill(settings.reply_timeout()).await.map_err(unavailable)?;
        Ok(held)
    }

    async fn fill(&mut self, timeout: Duration) -> Result<(), BrokerError> {
        let channel = self.session.channel().await?;
        let queue = self.session.topology.dead_letters();
        self.total = count_ready(&self.session, &channel).await?;
        let count = u16::try_from(self.total).unwrap_or(u16::MAX).min(HELD_MAX);
        if count == 0 {
            return Ok(());
        }
        // Prefetch of exactly the present letters, so that no later one is delivered.
        let qos = channel.basic_qos(count, BasicQosOptions::default());
        self.session.bounded("limiting the prefetch", qos).await?;
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let consuming = channel.basic_consume(queue.as_str().into(), "letters".into(), options, none);
        let mut consumer = self.session.bounded("starting to consume", consuming).await?;
        while self.messages.len() < usize::from(count) {
            self.messages.push(
                within(timeout, "reading the dead letters", next_delivery(&mut consumer, &queue)).await?,
            );
        }
        // A cancelled consumer does not receive the requeued letters again.
        let cancelled = channel.basic_cancel("letters".into(), BasicCancelOptions::default());
        self.session.bounded("cancelling the consumer", cancelled).await?;
        self.channel = Some(channel);
        Ok(())
    }

    /// Removes the letters with these tags for good, requeues the others in their order, and ends the lock. When this
    /// returns, the requeued letters are in their queue.
    pub(super) async fn release(self, removed: &[u64]) -> Result<(), BrokerError> {
        if let Some(channel) = &self.channel {
            self.requeue(channel, removed).await?;
        }
        // The letters are in place, so the lock may end with the connection in any way.
        if self.session.close().await.is_err() {
            self.session.cut();
        }
        Ok(())
    }

    async fn requeue(&self, channel: &Channel, removed: &[u64]) -> Result<(), BrokerError> {
        for tag in removed {
            let acknowledged = channel.basic_ack(*tag, BasicAckOptions::default());
            self.session.bounded("acknowledging", acknowledged).await?;
        }
        if removed.len() < self.messages.len() {
            // Tag 0 stands for all unacknowledged messages.
            let nacked = channel.basic_nack(0, BasicNackOptions { multiple: true, requeue: true });
            self.session.bounded("requeueing letters", nacked).await?;
        }
        // The next call must not come before the letters are nacked, or it would find them missing.
        let left = self.total.saturating_sub(removed.len());
        let deadline = Instant::now() + RELEASE_TIMEOUT;
        while count_ready(&self.session, channel).await? < left && Instant::now() < deadline {
            sleep(POLL).await;
        }
        Ok(())
    }
}

async fn next_delivery(consumer: &mut Consumer, queue: &str) -> Result<Delivery, BrokerError> {
    match consumer.next().await {
        Some(delivery) => Ok(delivery?),
        None => Err(BrokerError::Cancelled(queue.to_owned())),
    }
}

/// Messages in the queue that are not in flight.
async fn count_ready(session: &Session, channel: &Channel) -> Result<usize, BrokerError> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declared =
        channel.queue_declare(session.topology.dead_letters().into(), options, FieldTable::default());
    let queue = session.bounded("counting the dead letters", declared).await?;
    Ok(usize::try_from(queue.message_count()).unwrap_or(usize::MAX))
}

/// Waits for the lock: an exclusive queue, which belongs to a connection deadline it ends, also if its node dies.
async fn lock(session: &Session) -> Result<(), DeadLetterError> {
    let deadline = Instant::now() + RELEASE_TIMEOUT;
    loop {
        let channel = session.channel().await.map_err(unavailable)?;
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let name = session.topology.letters_lock();
        let declared = channel.queue_declare(name.as_str().into(), options, FieldTable::default());
        match session.bounded("locking the dead letters", declared).await {
            Ok(_) => return Ok(()),
            Err(error) if !errors::is_locked_by_other(&error) => return Err(unavailable(error)),
            Err(_) if Instant::now() >= deadline => return Err(DeadLetterError::Busy),
            Err(_) => sleep(POLL).await,
        }
    }
}

pub(super) fn unavailable(error: BrokerError) -> DeadLetterError {
    DeadLetterError::Unavailable(error.into())
}
