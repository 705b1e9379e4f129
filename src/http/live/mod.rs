//! What operators watch: one snapshot of the node a second, made once for everybody who watches, and not at all when
//! nobody does.

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
use self::gather::Gathering;
pub use self::gather::LiveSources;
pub(super) use self::listener::Listener;

/// How often there is a snapshot.
const EVERY: Duration = Duration::from_secs(1);
/// How many may watch one node at once.
pub(super) const LISTENERS_MAX: usize = 16;

/// What listeners are given.
#[derive(Debug, Clone)]
enum Frame {
    /// Nothing yet.
    Nothing,
    /// An event of the stream, ready to be sent.
    Snapshot(Bytes),
    /// The node takes no new work: the stream ends.
    Over,
}

/// The node as it is watched.
#[derive(Debug, Clone)]
pub struct Live(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    frames: watch::Sender<Frame>,
    /// One permit a listener.
    places: Arc<Semaphore>,
    /// Wakes the one who makes the snapshots.
    wanted: Notify,
}

impl Live {
    /// Begins to wait for the first listener; must be called within a runtime.
    #[must_use]
    pub fn start(sources: LiveSources) -> Self {
        let shared = Arc::new(Shared {
            frames: watch::Sender::new(Frame::Nothing),
            places: Arc::new(Semaphore::new(LISTENERS_MAX)),
            wanted: Notify::new(),
        });
        tokio::spawn(Arc::clone(&shared).run(sources));
        Self(shared)
    }

    /// Somebody who watches from now on; `None` if as many watch as may.
    pub(super) fn listen(&self) -> Option<Listener> {
        let place = Arc::clone(&self.0.places).try_acquire_owned().ok()?;
        let listener = Listener::new(self.0.frames.subscribe(), place);
        self.0.wanted.notify_one();
        Some(listener)
    }

    /// Ends every stream, and the making of snapshots.
    pub fn close(&self) {
        self.0.frames.send_replace(Frame::Over);
        self.0.wanted.notify_one();
    }
}

impl Shared {
    /// Makes a snapshot a second as long as somebody listens.
    async fn run(self: Arc<Self>, sources: LiveSources) {
        let mut gathering = Gathering::new(sources);
        while !self.is_over() {
            if self.frames.receiver_count() == 0 {
                // Whoever comes next is not to begin with what was true long ago.
                self.show(Frame::Nothing);
                gathering.rest();
                self.wanted.notified().await;
                continue;
            }
            let next = Instant::now() + EVERY;
            self.show(Frame::Snapshot(gathering.snapshot().await.event()));
            sleep_until(next).await;
        }
    }

    fn is_over(&self) -> bool {
        matches!(*self.frames.borrow(), Frame::Over)
    }

    /// Nothing comes after the end.
    fn show(&self, frame: Frame) {
        self.frames.send_if_modified(|shown| {
            let goes_on = !matches!(shown, Frame::Over);
            if goes_on {
                *shown = frame;
            }
            goes_on
        });
    }
}
