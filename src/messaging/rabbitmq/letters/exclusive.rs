//! Having the dead letters in hand: one operator at a time, and whatever happens they go back to where they were.

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

/// The most letters in hand. All there are are taken, however few are wanted: the queue puts what comes back behind what came
/// back before, so that their order stays only if all come back together. Beyond this many it begins to turn.
pub(super) const HELD_MAX: u16 = 10_000;
/// How long an operator waits for another to let go of the letters.
const TURN_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked whether they are free, or back in their queue.
const POLL: Duration = Duration::from_millis(20);

/// Letters in hand, on a connection of their own. If it ends in whatever way, the broker puts them back.
pub(super) struct Hold {
    pub(super) session: Session,
    /// The letters and their copies, the oldest first.
    pub(super) messages: Vec<Delivery>,
    /// How many there were in the queue, those in hand included.
    pub(super) total: usize,
    /// The channel that the letters came over; none if there were none.
    channel: Option<Channel>,
}

impl Hold {
    /// Takes the letters in hand.
    pub(super) async fn take(settings: &RabbitSettings) -> Result<Self, DeadLetterError> {
        let session = Session::open(settings, "openrun dead letters").await.map_err(unavailable)?;
        turn(&session).await?;
        let mut hold = Self { session, messages: Vec::new(), total: 0, channel: None };
        hold.fill(settings.reply_timeout()).await.map_err(unavailable)?;
        Ok(hold)
    }

    async fn fill(&mut self, patience: Duration) -> Result<(), BrokerError> {
        let channel = self.session.channel().await?;
        let queue = self.session.topology.dead_letters();
        self.total = ready(&self.session, &channel).await?;
        let count = u16::try_from(self.total).unwrap_or(u16::MAX).min(HELD_MAX);
        if count == 0 {
            return Ok(());
        }
        // What may be in hand at once is what there is: nothing that comes later is taken.
        let qos = channel.basic_qos(count, BasicQosOptions::default());
        self.session.bounded("limiting the prefetch", qos).await?;
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let consuming = channel.basic_consume(queue.as_str().into(), "letters".into(), options, none);
        let mut consumer = self.session.bounded("starting to consume", consuming).await?;
        while self.messages.len() < usize::from(count) {
            self.messages
                .push(within(patience, "reading the dead letters", next(&mut consumer, &queue)).await?);
        }
        // Without this, what goes back would come at once again.
        let cancelled = channel.basic_cancel("letters".into(), BasicCancelOptions::default());
        self.session.bounded("ending to consume", cancelled).await?;
        self.channel = Some(channel);
        Ok(())
    }

    /// Lets go: the letters with these tags are gone for good, the others are in their queue again, in their order, when
    /// this returns.
    pub(super) async fn settle(self, gone: &[u64]) -> Result<(), BrokerError> {
        if let Some(channel) = &self.channel {
            self.put_back(channel, gone).await?;
        }
        // Everything is where it belongs; however the connection ends, the next one has a turn.
        if self.session.goodbye().await.is_err() {
            self.session.cut();
        }
        Ok(())
    }

    async fn put_back(&self, channel: &Channel, gone: &[u64]) -> Result<(), BrokerError> {
        for tag in gone {
            let acknowledged = channel.basic_ack(*tag, BasicAckOptions::default());
            self.session.bounded("acknowledging", acknowledged).await?;
        }
        if gone.len() < self.messages.len() {
            // Tag 0 means all that are left.
            let back = channel.basic_nack(0, BasicNackOptions { multiple: true, requeue: true });
            self.session.bounded("putting letters back", back).await?;
        }
        // The next operator must not come before they are back, and take them for gone.
        let left = self.total.saturating_sub(gone.len());
        let until = Instant::now() + TURN_WITHIN;
        while ready(&self.session, channel).await? < left && Instant::now() < until {
            sleep(POLL).await;
        }
        Ok(())
    }
}

async fn next(consumer: &mut Consumer, queue: &str) -> Result<Delivery, BrokerError> {
    match consumer.next().await {
        Some(delivery) => Ok(delivery?),
        None => Err(BrokerError::Cancelled(queue.to_owned())),
    }
}

/// How many letters wait in the queue.
async fn ready(session: &Session, channel: &Channel) -> Result<usize, BrokerError> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declared =
        channel.queue_declare(session.topology.dead_letters().into(), options, FieldTable::default());
    let queue = session.bounded("counting the dead letters", declared).await?;
    Ok(usize::try_from(queue.message_count()).unwrap_or(usize::MAX))
}

/// Waits for a turn. Whoever has declared a queue of this name as theirs alone has it until their connection ends, even
/// if their node dies.
async fn turn(session: &Session) -> Result<(), DeadLetterError> {
    let until = Instant::now() + TURN_WITHIN;
    loop {
        let channel = session.channel().await.map_err(unavailable)?;
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let name = session.topology.turn();
        let declared = channel.queue_declare(name.as_str().into(), options, FieldTable::default());
        match session.bounded("waiting for a turn", declared).await {
            Ok(_) => return Ok(()),
            Err(error) if !errors::is_taken(&error) => return Err(unavailable(error)),
            Err(_) if Instant::now() >= until => return Err(DeadLetterError::Busy),
            Err(_) => sleep(POLL).await,
        }
    }
}

pub(super) fn unavailable(error: BrokerError) -> DeadLetterError {
    DeadLetterError::Unavailable(error.into())
}
