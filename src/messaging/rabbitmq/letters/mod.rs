//! The dead letters in RabbitMQ: looking at them, replaying and discarding them.
//!
//! They stay in their quorum queue. To look at them they are taken in hand and put back, which the queue counts as a
//! delivery: so it has no limit on deliveries that could ever be reached (see `topology`). Whoever holds the letters holds
//! a queue of their own that nobody else can declare meanwhile; the broker frees both when the connection ends.

mod history;
mod hold;
mod letter;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::message::Delivery;
use tokio::time::timeout;

use self::hold::{Hold, unavailable};
use super::settings::RabbitSettings;
use super::window::{self, OutgoingMessage};
use crate::ports::{BusError, DeadLetter, DeadLetterError, DeadLetters, LetterEventKind, Settled};

pub(super) use self::history::with as with_history;

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
            let hold = Hold::take(&settings).await?;
            work(hold).await
        });
        whole.await.unwrap_or_else(|ended| Err(DeadLetterError::Unavailable(ended.into())))
    }
}

type Held<T> = Result<T, DeadLetterError>;

#[async_trait]
impl DeadLetters for RabbitLetters {
    async fn list(&self, limit: usize) -> Held<Vec<DeadLetter>> {
        self.holding(async move |hold| {
            let letters = hold.letters.iter().take(limit).map(read).collect();
            hold.settle(&[]).await.map_err(unavailable)?;
            Ok(letters)
        })
        .await
    }

    async fn find(&self, id: &str) -> Held<Option<DeadLetter>> {
        let id = id.to_owned();
        self.holding(async move |hold| {
            let found = copies(&hold, &id).first().map(|letter| read(letter));
            hold.settle(&[]).await.map_err(unavailable)?;
            Ok(found)
        })
        .await
    }

    async fn replay(&self, id: &str) -> Held<Option<Settled>> {
        let id = id.to_owned();
        self.holding(async move |hold| {
            let copies = copies(&hold, &id);
            if copies.is_empty() {
                hold.settle(&[]).await.map_err(unavailable)?;
                return Ok(None);
            }
            let tags = send_again(&hold, &copies).await?;
            settled(hold, tags).await.map(Some)
        })
        .await
    }

    async fn replay_all(&self, limit: usize) -> Held<Settled> {
        self.holding(async move |hold| {
            let oldest: Vec<&Delivery> = hold.letters.iter().take(limit).collect();
            let tags = send_again(&hold, &oldest).await?;
            settled(hold, tags).await
        })
        .await
    }

    async fn discard(&self, id: &str) -> Held<Option<(DeadLetter, Settled)>> {
        let id = id.to_owned();
        self.holding(async move |hold| {
            let copies = copies(&hold, &id);
            let Some(letter) = copies.first().map(|letter| read(letter)) else {
                hold.settle(&[]).await.map_err(unavailable)?;
                return Ok(None);
            };
            let tags = copies.iter().map(|letter| letter.delivery_tag).collect();
            Ok(Some((letter, settled(hold, tags).await?)))
        })
        .await
    }
}

fn read(letter: &Delivery) -> DeadLetter {
    letter::read(&letter.properties, &letter.data)
}

/// The first letter of this id and those that are the same byte by byte. Another message of the same id is another letter,
/// which nobody has looked at yet: its turn comes when these are gone.
fn copies<'a>(hold: &'a Hold, id: &str) -> Vec<&'a Delivery> {
    let mut same = hold.letters.iter().filter(|letter| letter::id(&letter.properties, &letter.data) == id);
    let Some(first) = same.next() else { return Vec::new() };
    [first].into_iter().chain(same.filter(|letter| letter.data == first.data)).collect()
}

async fn settled(hold: Hold, gone: Vec<u64>) -> Held<Settled> {
    let settled = Settled { done: gone.len(), left: hold.total.saturating_sub(gone.len()) };
    hold.settle(&gone).await.map_err(unavailable)?;
    Ok(settled)
}

/// Publishes the letters to where they came from; gives their tags once the broker has confirmed them all. What happens
/// before they are acknowledged makes copies at worst.
async fn send_again(hold: &Hold, letters: &[&Delivery]) -> Held<Vec<u64>> {
    let session = &hold.session;
    let channel = session.confirming_channel().await.map_err(unavailable)?;
    let exchange = session.topology.issuances();
    for window in letters.chunks(WINDOW) {
        let messages: Vec<OutgoingMessage> = window
            .iter()
            .map(|letter| {
                let kind = LetterEventKind::Replayed;
                let properties =
                    with_history(&letter.properties, kind, "an operator sent it on its way again");
                OutgoingMessage::new(letter.data.clone(), properties)
            })
            .collect();
        let published = timeout(session.reply_timeout, window::publish(&channel, &exchange, &messages));
        published.await.map_err(|elapsed| DeadLetterError::Unavailable(elapsed.into()))?.map_err(refused)?;
    }
    Ok(letters.iter().map(|letter| letter.delivery_tag).collect())
}

fn refused(error: BusError) -> DeadLetterError {
    DeadLetterError::Unavailable(error.into())
}
