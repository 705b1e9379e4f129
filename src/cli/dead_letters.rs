//! `openrun dead-letters`: what could not be written, over the API of a running node.

use std::process::ExitCode;

use serde_json::Value;

use super::answer::{self, Column};
use super::api_client::{ApiClient, encoded};
use super::args::{DeadLettersArgs, DeadLettersCall};
use super::failure::Failure;
use super::runtime;

/// The columns of a list.
const LIST: [Column; 7] = [
    Column::text("id"),
    Column::text("coupon_id"),
    Column::text("member_id"),
    Column::number("sequence"),
    Column::number("copies"),
    Column::text("died_at"),
    Column::text("reason"),
];
/// Those of what was done.
const REPLAYED: [Column; 2] = [Column::number("replayed"), Column::number("left")];
const DISCARDED: [Column; 4] =
    [Column::text("id"), Column::text("reason"), Column::number("discarded"), Column::number("left")];

pub(super) fn run(args: &DeadLettersArgs) -> Result<ExitCode, Failure> {
    runtime::run(async {
        let client = ApiClient::new(&args.operator.server, args.operator.admin_token.clone())?;
        let told = call(&client, &args.call).await?;
        let columns: &[Column] = match &args.call {
            // A letter is too much for a table.
            DeadLettersCall::Show { .. } => return answer::write(&told, true, &[]),
            DeadLettersCall::List { .. } => &LIST,
            DeadLettersCall::Replay { .. } => &REPLAYED,
            DeadLettersCall::Discard { .. } => &DISCARDED,
        };
        answer::write(&told, args.operator.json, columns)
    })
}

async fn call(client: &ApiClient, call: &DeadLettersCall) -> Result<Value, Failure> {
    const AT: &str = "/v1/admin/dead-letters";
    match call {
        DeadLettersCall::List { limit } => client.get(&format!("{AT}?limit={}", limit.limit)).await,
        DeadLettersCall::Show { id } => client.get(&format!("{AT}/{}", encoded(id))).await,
        DeadLettersCall::Replay { id: Some(id), .. } => {
            client.post(&format!("{AT}/{}/replay", encoded(id)), None).await
        }
        DeadLettersCall::Replay { id: None, limit, .. } => {
            client.post(&format!("{AT}/replay?limit={}", limit.limit), None).await
        }
        DeadLettersCall::Discard { id, reason } => {
            let reason = reason.as_deref().map(|reason| format!("?reason={}", encoded(reason)));
            client.delete(&format!("{AT}/{}{}", encoded(id), reason.unwrap_or_default())).await
        }
    }
}
