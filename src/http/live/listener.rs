//! One who watches: a stream of server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::Frame;

/// How long there is silence at most: a listener who hears nothing for longer knows that the connection is lost.
const HEARTBEAT: Duration = Duration::from_secs(5);
const STILL_HERE: Bytes = Bytes::from_static(b": still here\n\n");
const GOODBYE: Bytes = Bytes::from_static(b"event: goodbye\ndata: {}\n\n");

/// One who watches, for as long as it lives.
#[derive(Debug)]
pub(in crate::http) struct Listener {
    frames: watch::Receiver<Frame>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    pub(super) fn new(mut frames: watch::Receiver<Frame>, place: OwnedSemaphorePermit) -> Self {
        // What is shown at this moment is news to who has just come.
        frames.mark_changed();
        Self { frames, is_over: false, _place: place }
    }

    /// The events. Who reads slowly misses snapshots, and never makes anybody else wait.
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
                Err(_silence) => return Some(STILL_HERE),
                Ok(Err(_nobody_sends)) => return None,
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
