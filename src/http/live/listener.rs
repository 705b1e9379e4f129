//! One stream of server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::Frame;

/// Longest pause between two frames. A client that receives nothing for longer knows that the connection is lost.
const HEARTBEAT: Duration = Duration::from_secs(5);
const HEARTBEAT_COMMENT: Bytes = Bytes::from_static(b": still here\n\n");
const GOODBYE: Bytes = Bytes::from_static(b"event: goodbye\ndata: {}\n\n");

#[derive(Debug)]
pub(in crate::http) struct Listener {
    frames: watch::Receiver<Frame>,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    pub(super) fn new(mut frames: watch::Receiver<Frame>, permit: OwnedSemaphorePermit) -> Self {
        // The current snapshot is new to this listener.
        frames.mark_changed();
        Self { frames, is_over: false, _permit: permit }
    }

    /// A slow reader misses snapshots and does not delay other listeners.
    pub(in crate::http) fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, async |mut listener| {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        loop {
            match timeout(HEARTBEAT, self.frames.changed()).await {
                Err(_elapsed) => return Some(HEARTBEAT_COMMENT),
                Ok(Err(_sender_dropped)) => return None,
                Ok(Ok(())) => {}
            }
            let frame = self.frames.borrow_and_update().clone();
            match frame {
                Frame::Nothing => {}
                Frame::Snapshot(event) => return Some(event),
                Frame::Over => {
                    self.is_over = true;
                    return Some(GOODBYE);
                }
            }
        }
    }
}
