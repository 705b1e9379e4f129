//! Closes connections with chunked bodies that the handler did not read to the end. actix-web closes the connection if
//! `Content-Length` announced more than was read, but reads a dropped chunked body for ever. A body that lives until the
//! response is written counts as unread, and actix-web closes the connection.

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

/// A body that is owned by the handler and the response together.
#[derive(Clone)]
pub(super) struct SharedBody(Rc<RefCell<Payload>>);

impl Stream for SharedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The handler alone reads, so that no other borrow exists.
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// Makes a body without an announced length shared, before the handler gets it.
pub(super) fn share(request: &mut ServiceRequest) -> Option<SharedBody> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let body = SharedBody(Rc::new(RefCell::new(request.take_payload())));
    request.set_payload(Payload::Stream { payload: Box::pin(body.clone()) });
    Some(body)
}

/// Ties the request's body to the response, which drops it when it has been written.
pub(super) fn attach(request_body: Option<SharedBody>, response: ServiceResponse) -> ServiceResponse {
    match request_body {
        Some(request) => response.map_body(|_, body| BoxBody::new(GuardedBody { body, _request: request })),
        None => response,
    }
}

/// The body of a response, together with the unread body of its request.
struct GuardedBody {
    body: BoxBody,
    _request: SharedBody,
}

impl MessageBody for GuardedBody {
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
