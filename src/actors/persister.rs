//! PersisterActor: takes issuances from the queue in micro-batches, writes them, and acknowledges after COMMIT.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::acks::AckBoard;
use super::contain::Contained;
use super::fail_point;
use super::persister_batch::{BatchWriter, Item};
use super::supervisor::{Child, DeathNote};
use crate::ports::{Delivery, DeliveryTag, EventSource, EventStream, IssuanceStore, SourceError};
use crate::retry::Retry;
use crate::sabotage::{abort, planted};
use crate::telemetry::Metrics;

/// The actor's kind in metrics and lists.
const KIND: &str = "persister";
/// Issuances in one insert.
const BATCH_MAX: usize = 256;
/// Deliveries at hand: one batch being written and one being gathered.
const PREFETCH: u16 = 512;
/// How long a batch waits for company.
const LINGER: Duration = Duration::from_millis(5);

/// The persister's logic, without the actor around it.
struct Persister {
    source: Arc<dyn EventSource>,
    writer: BatchWriter,
    /// Becomes true when the node shuts down.
    stopping: watch::Receiver<bool>,
}

impl Persister {
    async fn run(mut self) {
        let mut retry = Retry::reconnect();
        while !*self.stopping.borrow() {
            match self.source.open(PREFETCH).await {
                Ok(mut stream) => {
                    retry.reset();
                    match self.drain(&mut *stream).await {
                        Ok(()) => return,
                        Err(error) => tracing::warn!(%error, "a persister lost its queue and opens it again"),
                    }
                }
                Err(error) => tracing::debug!(%error, "a persister cannot open its queue yet"),
            }
            self.rest(retry.wait()).await;
        }
    }

    /// Writes batch after batch until the node shuts down.
    async fn drain(&mut self, stream: &mut dyn EventStream) -> Result<(), SourceError> {
        loop {
            let first = tokio::select! {
                delivery = stream.next() => delivery?,
                _ = self.stopping.changed() => return Ok(()),
            };
            fail_point::visit(KIND, "delivery");
            let batch = gather(stream, first).await?;
            if !self.settle(stream, batch).await? {
                return Ok(());
            }
        }
    }

    /// Writes one batch, however long that takes; `false` if the node shuts down before it could.
    async fn settle(
        &mut self,
        stream: &mut dyn EventStream,
        batch: Vec<Delivery>,
    ) -> Result<bool, SourceError> {
        let mut items: Vec<Item> = Vec::with_capacity(batch.len());
        for Delivery { tag, event } in batch {
            match event {
                Ok(event) => items.push((tag, event.issuance)),
                Err(why) => self.bury(stream, tag, &why).await?,
            }
        }
        if planted::is(planted::ACK_BEFORE_COMMIT) {
            stream.ack(&items.iter().map(|(tag, _)| *tag).collect::<Vec<_>>()).await?;
        }
        let mut retry = Retry::database();
        while !items.is_empty() {
            fail_point::visit(KIND, "write");
            match self.writer.write(items.clone()).await {
                Ok(written) => {
                    abort::visit(abort::COMMITTED);
                    stream.ack(&written.done).await?;
                    for (tag, why) in &written.poison {
                        self.bury(stream, *tag, why).await?;
                    }
                    return Ok(true);
                }
                Err(cause) => {
                    // Deliveries are kept in hand rather than given back, so that none is burnt.
                    self.writer.metrics.persist_retries.inc();
                    let wait = retry.wait();
                    tracing::warn!(%cause, rows = items.len(), retry_in_ms = wait.as_millis(), "the database waits");
                    if !self.rest(wait).await {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    async fn bury(
        &self,
        stream: &mut dyn EventStream,
        tag: DeliveryTag,
        why: &str,
    ) -> Result<(), SourceError> {
        self.writer.metrics.dead_lettered.inc();
        tracing::error!(%why, "a message can never be written and goes to the dead letters");
        stream.reject(tag, why).await
    }

    /// Waits; `false` if the node shuts down meanwhile.
    async fn rest(&mut self, wait: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            _ = self.stopping.changed() => false,
        }
    }
}

/// The first delivery and those that come with it.
async fn gather(stream: &mut dyn EventStream, first: Delivery) -> Result<Vec<Delivery>, SourceError> {
    let mut batch = vec![first];
    let until = Instant::now() + LINGER;
    while batch.len() < BATCH_MAX {
        match timeout_at(until, stream.next()).await {
            Ok(delivery) => batch.push(delivery?),
            Err(_elapsed) => break,
        }
    }
    Ok(batch)
}

/// The shell around a persister.
pub struct PersisterActor {
    persister: Option<Persister>,
    note: DeathNote,
}

impl PersisterActor {
    /// What the supervisor needs to keep persister number `number` alive on `arbiter`. When `stopping` becomes true it
    /// finishes what it has in hand and ends.
    #[must_use]
    pub fn child(
        number: usize,
        source: Arc<dyn EventSource>,
        store: Arc<dyn IssuanceStore>,
        metrics: Arc<Metrics>,
        acks: AckBoard,
        stopping: watch::Sender<bool>,
        arbiter: ArbiterHandle,
    ) -> impl Child {
        let writer = BatchWriter { store, metrics, acks };
        PersisterChild { number, source, writer, stopping, arbiter, address: ArcSwapOption::empty() }
    }
}

impl Contained for PersisterActor {
    fn failed(&mut self, why: String) {
        self.note.because(why);
    }
}

impl Actor for PersisterActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(persister) = self.persister.take() else { return ctx.stop() };
        self.run_contained(ctx, persister.run());
    }
}

struct PersisterChild {
    number: usize,
    source: Arc<dyn EventSource>,
    writer: BatchWriter,
    /// Its receivers are the persisters that live, so that a node can wait for the last of them.
    stopping: watch::Sender<bool>,
    arbiter: ArbiterHandle,
    address: ArcSwapOption<Addr<PersisterActor>>,
}

impl Child for PersisterChild {
    fn name(&self) -> String {
        format!("{KIND}/{}", self.number)
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn start(&self, note: DeathNote) {
        let persister = Persister {
            source: Arc::clone(&self.source),
            writer: self.writer.clone(),
            stopping: self.stopping.subscribe(),
        };
        let address = PersisterActor::start_in_arbiter(&self.arbiter, move |_| PersisterActor {
            persister: Some(persister),
            note,
        });
        self.address.store(Some(Arc::new(address)));
    }

    fn is_alive(&self) -> bool {
        self.address.load().as_deref().is_some_and(Addr::connected)
    }

    fn waiting(&self) -> usize {
        0
    }
}
