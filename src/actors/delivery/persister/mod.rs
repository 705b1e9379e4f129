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

/// Deliveries in one batch.
const BATCH_MAX: usize = 1_024;
/// Unacknowledged messages per persister, of up to 128 issuances each under load. Small enough to share a long queue among
/// the persisters, large enough to fill a batch from messages with one issuance each.
const PREFETCH: u16 = 64;
/// Time for which a batch waits for more deliveries.
const LINGER: Duration = Duration::from_millis(5);

/// Time for which an issuance above its coupon's total is retried before it becomes a dead letter. The gate keeper raises a
/// total that lags behind in the catalogue within two seconds.
const TOTAL_LAGS_MAX: Duration = Duration::from_secs(5);

/// One persister of the pool. After a stop signal it completes its current batch.
pub type PersisterActor = BackgroundActor<PersisterDeps>;

#[derive(Clone)]
pub struct PersisterDeps {
    /// Number within the pool, from 1.
    pub number: usize,
    pub source: Arc<dyn EventSource>,
    /// The queue's name in traces.
    pub queue: Destination,
    pub store: Arc<dyn IssuanceStore>,
    pub metrics: Arc<Metrics>,
    pub acks: AckBoard,
    pub in_flight: InFlight,
    pub outage: DatabaseOutage,
}

impl BackgroundTask for PersisterDeps {
    const KIND: &'static str = "persister";

    fn name(&self) -> String {
        format!("{}/{}", Self::KIND, self.number)
    }

    async fn run(self, stop: StopSignal) {
        let Self { source, queue, store, metrics, acks, in_flight, outage, .. } = self;
        let writer = BatchWriter { store, metrics, acks };
        Persister { source, queue, writer, in_flight, outage, stop }.run().await;
    }
}

struct Persister {
    source: Arc<dyn EventSource>,
    queue: Destination,
    writer: BatchWriter,
    in_flight: InFlight,
    outage: DatabaseOutage,
    stop: StopSignal,
}

/// Result of handling one batch.
enum Batch {
    /// Every delivery is acknowledged: it is a row, a conflict or a dead letter.
    Acknowledged,
    /// The stop signal came before the database took the batch; the rest of it returns to the queue.
    Interrupted,
}

impl Persister {
    async fn run(mut self) {
        let mut retry = Retry::service();
        while !self.stop.is_set() {
            match self.source.open(PREFETCH).await {
                Ok(mut stream) => {
                    retry.reset();
                    match self.drain(&mut *stream).await {
                        Ok(()) => return,
                        Err(error) => {
                            tracing::warn!(%error, "a persister lost its queue: it opens the queue again");
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "a persister could not open its queue; retrying"),
            }
            self.rest(retry.wait()).await;
        }
    }

    /// Handles batch after batch until the stop signal.
    async fn drain(&mut self, stream: &mut dyn EventStream) -> Result<(), SourceError> {
        let mut guard: Option<InFlightGuard> = None;
        loop {
            let first = match try_next(stream).await {
                Some(delivery) => delivery?,
                None => {
                    if let Some(guard) = guard.take() {
                        guard.finish();
                    }
                    tokio::select! {
                        delivery = stream.next() => delivery?,
                        () = self.stop.wait() => return Ok(()),
                    }
                }
            };
            let guard = guard.get_or_insert_with(|| self.in_flight.track());
            panics::visit(PersisterDeps::KIND, "delivery");
            let gathered = gather(stream, first).await?;
            match self.handle_traced(stream, gathered.batch).await? {
                Batch::Acknowledged => {}
                Batch::Interrupted => return Ok(()),
            }
            if let Some(moment) = gathered.empty_at {
                guard.acknowledged_before(moment);
            }
            if self.stop.is_set() {
                return Ok(());
            }
        }
    }

    async fn handle_traced(
        &mut self,
        stream: &mut dyn EventStream,
        batch: Vec<Delivery>,
    ) -> Result<Batch, SourceError> {
        let span = self.batch_span(&batch);
        run_in(span.as_ref(), self.handle(stream, batch)).await
    }

    /// The batch's span, linked to the traces in which its issuances were decided.
    fn batch_span(&self, batch: &[Delivery]) -> Option<TraceSpan> {
        let events = batch.iter().filter_map(|delivery| delivery.event.as_ref().ok());
        let traces = events.filter_map(|event| event.traceparent.as_ref());
        let span =
            TraceSpan::for_all(&TraceSpanKind::Consumer, &format!("process {}", self.queue.name), traces)?;
        self.queue.describe(&span, "process", "process");
        span.set("messaging.batch.message_count", i64::try_from(batch.len()).unwrap_or(i64::MAX));
        Some(span)
    }

    /// Writes and acknowledges one batch. Retries until the database answers or the stop signal is set.
    async fn handle(
        &mut self,
        stream: &mut dyn EventStream,
        batch: Vec<Delivery>,
    ) -> Result<Batch, SourceError> {
        let mut items: Vec<Item> = Vec::with_capacity(batch.len());
        for Delivery { tag, event } in batch {
            match event {
                Ok(event) => items.push((tag, event.issuance)),
                Err(reason) => self.dead_letter(stream, tag, &reason).await?,
            }
        }
        if bugs::is(bugs::ACK_BEFORE_COMMIT) {
            stream.ack(&items.iter().map(|(tag, _)| *tag).collect::<Vec<_>>()).await?;
        }
        let mut retry = Retry::service();
        let mut above_total_until = None;
        while !items.is_empty() {
            panics::visit(PersisterDeps::KIND, "write");
            let started = Instant::now();
            match self.writer.write(items.clone()).await {
                Ok(written) => {
                    self.outage.record_answer(started);
                    abort::visit(abort::COMMITTED);
                    stream.ack(&written.done).await?;
                    for (tag, reason) in &written.rejected {
                        self.dead_letter(stream, *tag, reason).await?;
                    }
                    if written.above_total.is_empty() {
                        return Ok(Batch::Acknowledged);
                    }
                    let until = *above_total_until.get_or_insert_with(|| Instant::now() + TOTAL_LAGS_MAX);
                    if Instant::now() >= until {
                        for ((tag, _), reason) in &written.above_total {
                            self.dead_letter(stream, *tag, reason).await?;
                        }
                        return Ok(Batch::Acknowledged);
                    }
                    items = written.above_total.into_iter().map(|(item, _)| item).collect();
                }
                // The deliveries are kept rather than returned: the broker limits how often it redelivers one.
                Err(cause) => self.outage.record_failure(started, &*cause),
            }
            self.writer.metrics.persist_retries.inc();
            self.rest(retry.wait()).await;
            if self.stop.is_set() {
                return Ok(Batch::Interrupted);
            }
        }
        Ok(Batch::Acknowledged)
    }

    async fn dead_letter(
        &self,
        stream: &mut dyn EventStream,
        tag: DeliveryTag,
        reason: &str,
    ) -> Result<(), SourceError> {
        self.writer.metrics.dead_lettered.inc();
        if let Some(letter) = stream.reject(tag, reason).await? {
            tracing::error!(%letter, error = %reason, "a message can never be written: it is a dead letter now");
        }
        Ok(())
    }

    /// Waits, at most until the stop signal.
    async fn rest(&mut self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.stop.wait() => {}
        }
    }
}

/// The next delivery, if there is one already.
async fn try_next(stream: &mut dyn EventStream) -> Option<Result<Delivery, SourceError>> {
    // Unconstrained, because tokio's budget would otherwise make a ready delivery look absent.
    tokio::select! {
        biased;
        delivery = unconstrained(stream.next()) => Some(delivery),
        () = std::future::ready(()) => None,
    }
}

/// Deliveries to be written together.
struct Gathered {
    batch: Vec<Delivery>,
    /// An instant before which no further delivery was received; `None` if the batch is full.
    empty_at: Option<std::time::Instant>,
}

/// Gathers the deliveries that arrive within [`LINGER`].
async fn gather(stream: &mut dyn EventStream, first: Delivery) -> Result<Gathered, SourceError> {
    let mut batch = vec![first];
    let until = Instant::now() + LINGER;
    while batch.len() < BATCH_MAX {
        // A delivery that arrives after this instant may wait in the client.
        let asked_at = std::time::Instant::now();
        match timeout_at(until, stream.next()).await {
            Ok(delivery) => batch.push(delivery?),
            Err(_elapsed) => return Ok(Gathered { batch, empty_at: Some(asked_at) }),
        }
    }
    Ok(Gathered { batch, empty_at: None })
}
