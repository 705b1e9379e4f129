//! The bound on one question to a service. A late answer becomes the port's own error for a service that is silent.

use std::time::Duration;

use tokio::time::timeout;

use crate::ports::{
    BusError, CatalogError, ClusterError, EngineError, LossError, QuarantineError, StoreError,
};

/// The limit of questions in repeated tasks, which go on without the answer and ask again in a later round.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
#[error("timed out after {} s", .0.as_secs())]
pub struct TimedOut(Duration);

/// Waits two seconds for the answer to `question`.
pub(crate) async fn bounded<T, E: From<TimedOut>>(
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    bounded_by(ANSWER_TIMEOUT, question).await
}

/// Waits for the answer to `question`, at most for `limit`.
pub(crate) async fn bounded_by<T, E: From<TimedOut>>(
    limit: Duration,
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    timeout(limit, question).await.unwrap_or_else(|_| Err(TimedOut(limit).into()))
}

macro_rules! from_timed_out {
    ($($error:ident: $variant:path;)*) => {$(
        impl From<TimedOut> for $error {
            fn from(timed_out: TimedOut) -> Self {
                $variant(timed_out.into())
            }
        }
    )*};
}

from_timed_out! {
    BusError: BusError::Unavailable;
    CatalogError: CatalogError::Unavailable;
    ClusterError: ClusterError;
    EngineError: EngineError::Unavailable;
    LossError: LossError;
    QuarantineError: QuarantineError;
    StoreError: StoreError::Unavailable;
}
