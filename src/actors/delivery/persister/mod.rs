//! PersisterActor: takes issuances from the queue in micro-batches, writes them, and acknowledges after COMMIT.

mod batch;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, timeout_at};

use crate::actors::delivery::AckBoard;
use crate::actors::delivery::DatabaseOutage;
use crate::actors::delivery::in_flight::{InFlight, InFlightGuard};
use crate::actors::delivery::persister::batch::{BatchWriter, Item};
use crate::actors::runtime::StopSignal;
use crate::actors::runtime::{BackgroundActor, BackgroundTask};
use crate::fault_injection::panics;
use crate::fault_injection::{abort, bugs};
use crate::ports::{Delivery, DeliveryTag, EventSource, EventStream, IssuanceStore, SourceError};
use crate::retry::Retry;
use crate::telemetry::{Destination, Metrics, TraceSpan, TraceSpanKind, run_in};

/// Issuances in one insert.
const BATCH_MAX: usize = 1_024;
/// Messages at hand, of up to 128 issuances each under load. Few enough that one persister does not keep a whole crowd from
/// the others, many enough to gather a batch of messages that have one issuance each.
const PREFETCH: u16 = 64;
/// How long a batch waits for company.
const LINGER: Duration = Duration::from_millis(5);

/// How long an issuance above its coupon's total is kept in hand before it goes to the dead letters. The gate's keeper lifts
/// a total that the catalogue lags behind within two seconds.
const TOTAL_LAGS_MAX: Duration = Duration::from_secs(5);

/// One of the pool. When it should end, it finishes what it has in hand.
pub type PersisterActor = BackgroundActor<PersisterDeps>;

/// What a persister works with.
#[derive(Clone)]
pub struct PersisterDeps {
    /// Which of the pool it is, from 1.
    pub number: usize,
    /// Where deliveries come from.
    pub source: Arc<dyn EventSource>,
    /// What that is called in traces.
    pub queue: Destination,
    /// Where they are written.
    pub store: Arc<dyn IssuanceStore>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where it is written how far an issuance has got.
    pub acks: AckBoard,
    /// The hands of the node's persisters.
    pub hands: InFlight,
    /// Whether the database answers them.
    pub silence: DatabaseOutage,
}

impl BackgroundTask for PersisterDeps {
    const KIND: &'static str = "persister";

    fn name(&self) -> String {
        format!("{}/{}", Self::KIND, self.number)
    }

    async fn run(self, leave: StopSignal) {
        let Self { source, queue, store, metrics, acks, hands, silence, .. } = self;
        Persister { source, queue, writer: BatchWriter { store, metrics, acks }, hands, silence, leave }
            .run()
            .await;
    }
}

/// The persister's logic, without the actor around it.
struct Persister {
    source: Arc<dyn EventSource>,
    queue: Destination,
    writer: BatchWriter,
    /// Told of every batch, which has left the queue and is no row yet.
    hands: InFlight,
    /// Told of every answer and of every one that is missing.
    silence: DatabaseOutage,
    /// Says when it should finish and end.
    leave: StopSignal,
}

impl Persister {
    async fn run(mut self) {
        let mut retry = Retry::reconnect();
        while !self.leave.is_set() {
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

    /// Writes batch after batch until it has to end.
    async fn drain(&mut self, stream: &mut dyn EventStream) -> Result<(), SourceError> {
        let mut held: Option<InFlightGuard> = None;
        loop {
            let first = match at_once(stream).await {
                Some(delivery) => delivery?,
                None => {
                    if let Some(held) = held.take() {
                        held.settled();
                    }
                    tokio::select! {
                        delivery = stream.next() => delivery?,
                        () = self.leave.due() => return Ok(()),
                    }
                }
            };
            let held = held.get_or_insert_with(|| self.hands.hold());
            panics::visit(PersisterDeps::KIND, "delivery");
            let gathered = gather(stream, first).await?;
            if !self.settle(stream, gathered.batch).await? {
                return Ok(());
            }
            if let Some(moment) = gathered.none_left {
                held.settled_before(moment);
            }
            if self.leave.is_set() {
                return Ok(());
            }
        }
    }

    /// Writes one batch, however long that takes; `false` if it has to end before it could.
    async fn settle(
        &mut self,
        stream: &mut dyn EventStream,
        batch: Vec<Delivery>,
    ) -> Result<bool, SourceError> {
        let work = self.work_on(&batch);
        run_in(work.as_ref(), self.settle_all(stream, batch)).await
    }

    /// The batch as part of the traces in which its issuances were decided.
    fn work_on(&self, batch: &[Delivery]) -> Option<TraceSpan> {
        let events = batch.iter().filter_map(|delivery| delivery.event.as_ref().ok());
        let traces = events.filter_map(|event| event.traceparent.as_ref());
        let work =
            TraceSpan::for_all(TraceSpanKind::Consumer, &format!("process {}", self.queue.name), traces)?;
        self.queue.describe(&work, "process", "process");
        work.set("messaging.batch.message_count", i64::try_from(batch.len()).unwrap_or(i64::MAX));
        Some(work)
    }

    async fn settle_all(
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
        if bugs::is(bugs::ACK_BEFORE_COMMIT) {
            stream.ack(&items.iter().map(|(tag, _)| *tag).collect::<Vec<_>>()).await?;
        }
        let mut retry = Retry::database();
        let mut early_until = None;
        while !items.is_empty() {
            panics::visit(PersisterDeps::KIND, "write");
            let begun = Instant::now();
            match self.writer.write(items.clone()).await {
                Ok(written) => {
                    self.silence.had_an_answer(begun);
                    abort::visit(abort::COMMITTED);
                    stream.ack(&written.done).await?;
                    for (tag, why) in &written.poison {
                        self.bury(stream, *tag, why).await?;
                    }
                    if written.early.is_empty() {
                        return Ok(true);
                    }
                    let until = *early_until.get_or_insert_with(|| Instant::now() + TOTAL_LAGS_MAX);
                    if Instant::now() >= until {
                        for ((tag, _), why) in &written.early {
                            self.bury(stream, *tag, why).await?;
                        }
                        return Ok(true);
                    }
                    items = written.early.into_iter().map(|(item, _)| item).collect();
                    self.writer.metrics.persist_retries.inc();
                    if !self.rest(retry.wait()).await {
                        return Ok(false);
                    }
                }
                Err(cause) => {
                    // Deliveries are kept in hand rather than given back, so that none is burnt.
                    self.writer.metrics.persist_retries.inc();
                    self.silence.had_no_answer(begun, &*cause);
                    if !self.rest(retry.wait()).await {
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
        if let Some(letter) = stream.reject(tag, why).await? {
            tracing::error!(%letter, error = %why, "a message can never be written and is a dead letter now");
        }
        Ok(())
    }

    /// Waits; `false` if it has to end meanwhile.
    async fn rest(&mut self, wait: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.leave.due() => false,
        }
    }
}

/// The next delivery if it is there already.
async fn at_once(stream: &mut dyn EventStream) -> Option<Result<Delivery, SourceError>> {
    // Unconstrained, so that what is there is not kept back for other tasks to have a turn.
    tokio::select! {
        biased;
        delivery = unconstrained(stream.next()) => Some(delivery),
        () = std::future::ready(()) => None,
    }
}

/// Deliveries to be written together.
struct Gathered {
    batch: Vec<Delivery>,
    /// When no other delivery was there; `None` if the batch was full before.
    none_left: Option<std::time::Instant>,
}

/// The first delivery and those that come with it.
async fn gather(stream: &mut dyn EventStream, first: Delivery) -> Result<Gathered, SourceError> {
    let mut batch = vec![first];
    let until = Instant::now() + LINGER;
    while batch.len() < BATCH_MAX {
        // What comes after this moment may wait in the client.
        let asked = std::time::Instant::now();
        match timeout_at(until, stream.next()).await {
            Ok(delivery) => batch.push(delivery?),
            Err(_elapsed) => return Ok(Gathered { batch, none_left: Some(asked) }),
        }
    }
    Ok(Gathered { batch, none_left: None })
}
