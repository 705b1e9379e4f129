//! The dead letters in RabbitMQ: listing, replaying and discarding them.
//!
//! They stay in their quorum queue. A call consumes and requeues them, which the queue counts as deliveries, so its
//! delivery limit is out of reach (see `topology`). An exclusive queue serves as the lock; the broker releases lock and
//! letters when the connection ends.

mod copies;
mod exclusive;
mod history;
mod letter;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::message::Delivery;
use tokio::time::timeout;

use self::copies::Copies;
use self::exclusive::{HeldLetters, unavailable};
use super::publish_batch::{self, OutgoingMessage};
use super::settings::RabbitSettings;
use crate::fault_injection::abort;
use crate::ports::{BusError, DeadLetter, DeadLetterError, DeadLetters, LetterCounts, LetterEventKind};

pub(super) use self::history::with_event;
pub(super) use self::letter::id as letter_id;

/// Bound of waiting for other calls on the same node.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// Letters that are published before the first confirm is awaited.
const BATCH: usize = 256;

/// The dead letters of one namespace. Each call has a connection of its own, and calls run one at a time.
#[derive(Debug)]
pub struct RabbitLetters {
    settings: RabbitSettings,
    /// Calls on this node wait here, and not each with a connection.
    queue: Arc<tokio::sync::Mutex<()>>,
}

impl RabbitLetters {
    /// Connects on the first call.
    #[must_use]
    pub fn new(settings: RabbitSettings) -> Self {
        Self { settings, queue: Arc::default() }
    }

    /// Runs `work` with all letters held, in a task that continues if the caller is cancelled.
    async fn holding<T, F>(&self, work: impl FnOnce(HeldLetters) -> F + Send + 'static) -> Outcome<T>
    where
        T: Send + 'static,
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let (settings, queue) = (self.settings.clone(), Arc::clone(&self.queue));
        let task = tokio::spawn(async move {
            let Ok(_permit) = timeout(QUEUE_TIMEOUT, queue.lock()).await else {
                return Err(DeadLetterError::Busy);
            };
            let held = HeldLetters::acquire(&settings).await?;
            work(held).await
        });
        task.await.unwrap_or_else(|error| Err(DeadLetterError::Unavailable(error.into())))
    }
}

type Outcome<T> = Result<T, DeadLetterError>;

#[async_trait]
impl DeadLetters for RabbitLetters {
    async fn list(&self, limit: usize) -> Outcome<Vec<DeadLetter>> {
        self.holding(async move |held| {
            let letters = Copies::among(&held.messages).iter().take(limit).map(Copies::read).collect();
            held.release(&[]).await.map_err(unavailable)?;
            Ok(letters)
        })
        .await
    }

    async fn find(&self, id: &str) -> Outcome<Option<DeadLetter>> {
        let id = id.to_owned();
        self.holding(async move |held| {
            let letters = Copies::among(&held.messages);
            let found = letters.iter().find(|letter| letter.id == id).map(Copies::read);
            held.release(&[]).await.map_err(unavailable)?;
            Ok(found)
        })
        .await
    }

    async fn replay(&self, id: &str) -> Outcome<Option<LetterCounts>> {
        let id = id.to_owned();
        self.holding(async move |held| {
            let letters = Copies::among(&held.messages);
            let wanted: Vec<_> = letters.iter().filter(|letter| letter.id == id).take(1).collect();
            if wanted.is_empty() {
                held.release(&[]).await.map_err(unavailable)?;
                return Ok(None);
            }
            republish(&held, &wanted).await?;
            let removal = Removal::of(&wanted, letters.len());
            removal.finish(held).await.map(Some)
        })
        .await
    }

    async fn replay_all(&self, limit: usize) -> Outcome<LetterCounts> {
        self.holding(async move |held| {
            let letters = Copies::among(&held.messages);
            let oldest: Vec<_> = letters.iter().take(limit).collect();
            republish(&held, &oldest).await?;
            let removal = Removal::of(&oldest, letters.len());
            removal.finish(held).await
        })
        .await
    }

    async fn discard(&self, id: &str) -> Outcome<Option<(DeadLetter, LetterCounts)>> {
        let id = id.to_owned();
        self.holding(async move |held| {
            let letters = Copies::among(&held.messages);
            let Some(wanted) = letters.iter().find(|letter| letter.id == id) else {
                held.release(&[]).await.map_err(unavailable)?;
                return Ok(None);
            };
            let letter = wanted.read();
            let removal = Removal::of(&[wanted], letters.len());
            Ok(Some((letter, removal.finish(held).await?)))
        })
        .await
    }
}

/// Letters to be removed for good, each with all its copies.
struct Removal {
    tags: Vec<u64>,
    done: usize,
    /// Outcome letters that stay.
    staying: usize,
}

impl Removal {
    fn of(letters: &[&Copies<'_>], held_count: usize) -> Self {
        let tags = letters.iter().flat_map(|letter| letter.tags()).collect();
        Self { tags, done: letters.len(), staying: held_count - letters.len() }
    }

    async fn finish(self, held: HeldLetters) -> Outcome<LetterCounts> {
        // The letters beyond the held ones are counted as messages, because their copies are unknown.
        let beyond = held.total.saturating_sub(held.messages.len());
        held.release(&self.tags).await.map_err(unavailable)?;
        Ok(LetterCounts { done: self.done, left: self.staying + beyond })
    }
}

/// Publishes each letter once to the exchange of issuances and waits for all confirms. A crash before the letters are
/// acknowledged makes one copy more at worst.
async fn republish(held: &HeldLetters, letters: &[&Copies<'_>]) -> Outcome<()> {
    let session = &held.session;
    let channel = session.confirming_channel().await.map_err(unavailable)?;
    let exchange = session.topology.issuances();
    for batch in letters.chunks(BATCH) {
        let messages: Vec<OutgoingMessage> =
            batch.iter().map(|letter| republished(letter.most_complete())).collect();
        let published =
            timeout(session.reply_timeout, publish_batch::publish(&channel, &exchange, &messages));
        published.await.map_err(|elapsed| DeadLetterError::Unavailable(elapsed.into()))?.map_err(refused)?;
    }
    abort::visit(abort::REPLAYED);
    Ok(())
}

fn republished(letter: &Delivery) -> OutgoingMessage {
    let reason = "an operator replayed it";
    let properties = with_event(&letter.properties, LetterEventKind::Replayed, reason);
    OutgoingMessage::new(letter.data.clone(), properties)
}

fn refused(error: BusError) -> DeadLetterError {
    DeadLetterError::Unavailable(error.into())
}
