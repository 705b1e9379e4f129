//! A glance at the dead letters that changes nothing on the broker.

use lapin::ErrorKind;
use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;

use super::connection::Session;
use super::errors::BrokerError;
use super::settings::RabbitSettings;

/// How many messages wait in the dead-letter queue; `None` if there is no such queue.
///
/// # Errors
/// [`BrokerError`] says in one sentence what is wrong with the settings or the broker.
pub async fn dead_letters(settings: &RabbitSettings) -> Result<Option<u64>, BrokerError> {
    let session = Session::open_undeclared(settings, "openrun verify").await?;
    let channel = session.channel().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = session.topology.dead_letters();
    let asked = channel.queue_declare(queue.into(), options, FieldTable::default());
    let asked = session.bounded("asking for the dead letters", async { Ok(asked.await) }).await?;
    let counted = match asked {
        Ok(queue) => Some(u64::from(queue.message_count())),
        Err(error) if is_absent(&error) => None,
        Err(error) => return Err(error.into()),
    };
    // What was asked for has been answered.
    session.goodbye().await.ok();
    Ok(counted)
}

fn is_absent(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
}
