//! The count of dead letters, read without any change on the broker.

use lapin::ErrorKind;
use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;

use super::connection::Session;
use super::errors::BrokerError;
use super::settings::RabbitSettings;

/// Messages in the dead-letter queue; `None` if there is no such queue.
///
/// # Errors
/// [`BrokerError`] describes the fault of the settings or the broker in one sentence.
pub async fn dead_letters(settings: &RabbitSettings) -> Result<Option<u64>, BrokerError> {
    let session = Session::open_undeclared(settings, "openrun verify").await?;
    let channel = session.channel().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = session.topology.dead_letters();
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default());
    let declared = session.bounded("counting the dead letters", async { Ok(declared.await) }).await?;
    let count = match declared {
        Ok(queue) => Some(u64::from(queue.message_count())),
        Err(error) if is_absent(&error) => None,
        Err(error) => return Err(error.into()),
    };
    // The count is known, so a failure to close does not matter.
    session.close().await.ok();
    Ok(count)
}

fn is_absent(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
}
