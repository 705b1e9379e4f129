//! Bodies that nobody reads to their end. actix-web closes a connection whose request announced more than was read, but
//! goes on for ever to read a chunked one that the handler has let go of. Held until the answer is written, it counts as
//! unread, and the connection is closed as well.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::web::Bytes;
use futures_util::Stream;

/// A body that the handler and the answer share.
#[derive(Clone)]
pub(super) struct Rest(Rc<RefCell<Payload>>);

impl Stream for Rest {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Only the handler reads, so that nobody else has borrowed it.
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// Keeps hold of a body without an announced length, before the handler gets it.
pub(super) fn hold(request: &mut ServiceRequest) -> Option<Rest> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let rest = Rest(Rc::new(RefCell::new(request.take_payload())));
    request.set_payload(Payload::Stream { payload: Box::pin(rest.clone()) });
    Some(rest)
}

/// Ties the body to the answer, to be let go of when that is written.
pub(super) fn keep(rest: Option<Rest>, response: ServiceResponse) -> ServiceResponse {
    match rest {
        Some(rest) => response.map_body(|_, body| BoxBody::new(Answer { body, _rest: rest })),
        None => response,
    }
}

/// An answer and what is left of its request.
struct Answer {
    body: BoxBody,
    _rest: Rest,
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(context)
    }
}
