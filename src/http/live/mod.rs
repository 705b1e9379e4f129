//! Live snapshots of the node for operators: one a second, shared by all listeners, and none without listeners.

mod bodies;
mod gather;
mod listener;
mod rates;
mod slow_stats;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep_until};

pub(super) use self::bodies::Snapshot;
pub use self::gather::LiveSources;
use self::gather::SnapshotBuilder;
pub(super) use self::listener::Listener;

const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(1);
/// Upper bound of concurrent streams of a node.
pub(super) const LISTENERS_MAX: usize = 16;

#[derive(Debug, Clone)]
enum Frame {
    Nothing,
    /// A serialized event.
    Snapshot(Bytes),
    /// The node shuts down, and the stream ends.
    Over,
}

/// The live stream of a node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Live(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    frames: watch::Sender<Frame>,
    /// One permit for each listener.
    permits: Arc<Semaphore>,
    /// Wakes `run` for the first listener, and at the end.
    wake: Notify,
}

impl Live {
    /// Spawns the task that builds snapshots. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(sources: LiveSources) -> Self {
        let shared = Arc::new(Shared {
            frames: watch::Sender::new(Frame::Nothing),
            permits: Arc::new(Semaphore::new(LISTENERS_MAX)),
            wake: Notify::new(),
        });
        tokio::spawn(Arc::clone(&shared).run(sources));
        Self(shared)
    }

    /// A new listener; `None` if the node serves the maximum already.
    pub(super) fn listen(&self) -> Option<Listener> {
        let permit = Arc::clone(&self.0.permits).try_acquire_owned().ok()?;
        let listener = Listener::new(self.0.frames.subscribe(), permit);
        self.0.wake.notify_one();
        Some(listener)
    }

    /// Ends all streams and the task that builds snapshots.
    pub fn close(&self) {
        self.0.frames.send_replace(Frame::Over);
        self.0.wake.notify_one();
    }
}

impl Shared {
    /// Builds a snapshot every second while there are listeners.
    async fn run(self: Arc<Self>, sources: LiveSources) {
        let mut builder = SnapshotBuilder::new(sources);
        while !self.is_over() {
            if self.frames.receiver_count() == 0 {
                // The next listener must not start with an outdated snapshot.
                self.show(Frame::Nothing);
                builder.reset();
                self.wake.notified().await;
                continue;
            }
            let next = Instant::now() + SNAPSHOT_INTERVAL;
            self.show(Frame::Snapshot(builder.snapshot().await.event()));
            sleep_until(next).await;
        }
    }

    fn is_over(&self) -> bool {
        matches!(*self.frames.borrow(), Frame::Over)
    }

    /// Sends `frame` to the listeners, unless the stream is over.
    fn show(&self, frame: Frame) {
        self.frames.send_if_modified(|shown| {
            let is_live = !matches!(shown, Frame::Over);
            if is_live {
                *shown = frame;
            }
            is_live
        });
    }
}
