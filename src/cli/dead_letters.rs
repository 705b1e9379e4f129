//! `openrun dead-letters`: lists, replays and discards dead letters, over the API of a running node.

use std::process::ExitCode;

use serde_json::Value;

use super::api_client::{ApiClient, encoded};
use super::args::{DeadLettersArgs, DeadLettersCall};
use super::failure::Failure;
use super::operator::{self, Column};

const LIST: [Column; 7] = [
    Column::text("id"),
    Column::text("coupon_id"),
    Column::text("member_id"),
    Column::number("sequence"),
    Column::number("copies"),
    Column::text("died_at"),
    Column::text("reason"),
];
const REPLAYED: [Column; 2] = [Column::number("replayed"), Column::number("left")];
const DISCARDED: [Column; 4] =
    [Column::text("id"), Column::text("reason"), Column::number("discarded"), Column::number("left")];

pub(super) fn run(args: &DeadLettersArgs) -> Result<ExitCode, Failure> {
    let columns: Option<&[Column]> = match &args.call {
        // A letter has too many fields for a table.
        DeadLettersCall::Show { .. } => None,
        DeadLettersCall::List { .. } => Some(&LIST),
        DeadLettersCall::Replay { .. } => Some(&REPLAYED),
        DeadLettersCall::Discard { .. } => Some(&DISCARDED),
    };
    operator::run(&args.operator, columns, async |client| call(client, &args.call).await)
}

async fn call(client: &ApiClient, call: &DeadLettersCall) -> Result<Value, Failure> {
    const PATH: &str = "/v1/admin/dead-letters";
    match call {
        DeadLettersCall::List { limit } => client.get(&format!("{PATH}?limit={}", limit.limit)).await,
        DeadLettersCall::Show { id } => client.get(&format!("{PATH}/{}", encoded(id))).await,
        DeadLettersCall::Replay { id: Some(id), .. } => {
            client.post(&format!("{PATH}/{}/replay", encoded(id)), None).await
        }
        DeadLettersCall::Replay { id: None, limit, .. } => {
            client.post(&format!("{PATH}/replay?limit={}", limit.limit), None).await
        }
        DeadLettersCall::Discard { id, reason } => {
            let reason = reason.as_deref().map(|reason| format!("?reason={}", encoded(reason)));
            client.delete(&format!("{PATH}/{}{}", encoded(id), reason.unwrap_or_default())).await
        }
    }
}
