//! The dead letters in RabbitMQ: looking at them, replaying and discarding them.
//!
//! They stay in their quorum queue. To look at them they are taken in hand and put back, which the queue counts as a
//! delivery: so it has no limit on deliveries that could ever be reached (see `topology`). Whoever holds the letters holds
//! a queue of their own that nobody else can declare meanwhile; the broker frees both when the connection ends.

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
use self::exclusive::{Hold, unavailable};
use super::publish_batch::{self, OutgoingMessage};
use super::settings::RabbitSettings;
use crate::fault_injection::abort;
use crate::ports::{BusError, DeadLetter, DeadLetterError, DeadLetters, LetterEventKind, Settled};

pub(super) use self::history::with as with_history;
pub(super) use self::letter::id as letter_id;

/// How long a call waits for others on the same node.
const QUEUE_WITHIN: Duration = Duration::from_secs(10);
/// Letters that are published before the broker's confirm is waited for.
const WINDOW: usize = 256;

/// The letters of one namespace. Each call has a connection of its own; one call at a time is made.
#[derive(Debug)]
pub struct RabbitLetters {
    settings: RabbitSettings,
    /// Calls on this node wait here for one another, and not each with a connection.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl RabbitLetters {
    /// The letters on this broker. Nothing is asked of it yet.
    #[must_use]
    pub fn new(settings: RabbitSettings) -> Self {
        Self { settings, turn: Arc::default() }
    }

    /// Does `work` with letters in hand, in a task that goes on if the caller stops waiting.
    async fn holding<T, F>(&self, work: impl FnOnce(Hold) -> F + Send + 'static) -> Held<T>
    where
        T: Send + 'static,
        F: Future<Output = Held<T>> + Send + 'static,
    {
        let (settings, turn) = (self.settings.clone(), Arc::clone(&self.turn));
        let whole = tokio::spawn(async move {
            let Ok(_turn) = timeout(QUEUE_WITHIN, turn.lock()).await else {
                return Err(DeadLetterError::Busy);
            };
            let exclusive = Hold::take(&settings).await?;
            work(exclusive).await
        });
        whole.await.unwrap_or_else(|ended| Err(DeadLetterError::Unavailable(ended.into())))
    }
}

type Held<T> = Result<T, DeadLetterError>;

#[async_trait]
impl DeadLetters for RabbitLetters {
    async fn list(&self, limit: usize) -> Held<Vec<DeadLetter>> {
        self.holding(async move |exclusive| {
            let letters = Copies::among(&exclusive.messages).iter().take(limit).map(Copies::read).collect();
            exclusive.settle(&[]).await.map_err(unavailable)?;
            Ok(letters)
        })
        .await
    }

    async fn find(&self, id: &str) -> Held<Option<DeadLetter>> {
        let id = id.to_owned();
        self.holding(async move |exclusive| {
            let letters = Copies::among(&exclusive.messages);
            let found = letters.iter().find(|letter| letter.id == id).map(Copies::read);
            exclusive.settle(&[]).await.map_err(unavailable)?;
            Ok(found)
        })
        .await
    }

    async fn replay(&self, id: &str) -> Held<Option<Settled>> {
        let id = id.to_owned();
        self.holding(async move |exclusive| {
            let letters = Copies::among(&exclusive.messages);
            let wanted: Vec<_> = letters.iter().filter(|letter| letter.id == id).take(1).collect();
            if wanted.is_empty() {
                exclusive.settle(&[]).await.map_err(unavailable)?;
                return Ok(None);
            }
            send_again(&exclusive, &wanted).await?;
            let leaving = Leaving::of(&wanted, letters.len());
            leaving.settled(exclusive).await.map(Some)
        })
        .await
    }

    async fn replay_all(&self, limit: usize) -> Held<Settled> {
        self.holding(async move |exclusive| {
            let letters = Copies::among(&exclusive.messages);
            let oldest: Vec<_> = letters.iter().take(limit).collect();
            send_again(&exclusive, &oldest).await?;
            let leaving = Leaving::of(&oldest, letters.len());
            leaving.settled(exclusive).await
        })
        .await
    }

    async fn discard(&self, id: &str) -> Held<Option<(DeadLetter, Settled)>> {
        let id = id.to_owned();
        self.holding(async move |exclusive| {
            let letters = Copies::among(&exclusive.messages);
            let Some(wanted) = letters.iter().find(|letter| letter.id == id) else {
                exclusive.settle(&[]).await.map_err(unavailable)?;
                return Ok(None);
            };
            let letter = wanted.read();
            let leaving = Leaving::of(&[wanted], letters.len());
            Ok(Some((letter, leaving.settled(exclusive).await?)))
        })
        .await
    }
}

/// Letters in hand that are about to leave for good, each with all its copies.
struct Leaving {
    tags: Vec<u64>,
    done: usize,
    /// Letters in hand that stay.
    staying: usize,
}

impl Leaving {
    fn of(letters: &[&Copies<'_>], in_hand: usize) -> Self {
        let tags = letters.iter().flat_map(|letter| letter.tags()).collect();
        Self { tags, done: letters.len(), staying: in_hand - letters.len() }
    }

    async fn settled(self, exclusive: Hold) -> Held<Settled> {
        // Of what is not in hand nobody knows how much of it is copies.
        let beyond = exclusive.total.saturating_sub(exclusive.messages.len());
        exclusive.settle(&self.tags).await.map_err(unavailable)?;
        Ok(Settled { done: self.done, left: self.staying + beyond })
    }
}

/// Publishes each letter once to where it came from, and returns when the broker has confirmed them all. What happens
/// before they and their copies are acknowledged makes one copy more at worst.
async fn send_again(exclusive: &Hold, letters: &[&Copies<'_>]) -> Held<()> {
    let session = &exclusive.session;
    let channel = session.confirming_channel().await.map_err(unavailable)?;
    let exchange = session.topology.issuances();
    for window in letters.chunks(WINDOW) {
        let messages: Vec<OutgoingMessage> = window.iter().map(|letter| again(letter.fullest())).collect();
        let published =
            timeout(session.reply_timeout, publish_batch::publish(&channel, &exchange, &messages));
        published.await.map_err(|elapsed| DeadLetterError::Unavailable(elapsed.into()))?.map_err(refused)?;
    }
    abort::visit(abort::REPLAYED);
    Ok(())
}

/// The letter as it goes on its way again.
fn again(letter: &Delivery) -> OutgoingMessage {
    let why = "an operator sent it on its way again";
    let properties = with_history(&letter.properties, LetterEventKind::Replayed, why);
    OutgoingMessage::new(letter.data.clone(), properties)
}

fn refused(error: BusError) -> DeadLetterError {
    DeadLetterError::Unavailable(error.into())
}
