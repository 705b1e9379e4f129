//! `openrun conflicts`: lists and settles the conflicts in quarantine, over the API of a running node.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::api_client::{ApiClient, encoded};
use super::args::{ConflictsArgs, ConflictsCall};
use super::failure::Failure;
use super::operator::{self, Column};

const OPEN: [Column; 6] = [
    Column::number("id"),
    Column::text("coupon_id"),
    Column::text("member_id"),
    Column::number("sequence"),
    Column::text("noticed_at"),
    Column::text("held"),
];
const SETTLED: [Column; 6] = [
    Column::number("id"),
    Column::text("coupon_id"),
    Column::text("member_id"),
    Column::number("sequence"),
    Column::text("settled_at"),
    Column::text("note"),
];

pub(super) fn run(args: &ConflictsArgs) -> Result<ExitCode, Failure> {
    let columns: Option<&[Column]> = match &args.call {
        // A conflict has too many fields for a table.
        ConflictsCall::Show { .. } => None,
        ConflictsCall::List { settled: false, .. } => Some(&OPEN),
        ConflictsCall::List { settled: true, .. } | ConflictsCall::Settle { .. } => Some(&SETTLED),
    };
    operator::run(&args.operator, columns, async |client| call(client, &args.call).await)
}

async fn call(client: &ApiClient, call: &ConflictsCall) -> Result<Value, Failure> {
    const PATH: &str = "/v1/admin/conflicts";
    match call {
        ConflictsCall::List { coupon, settled, after, limit } => {
            let mut query = format!("limit={}&after={after}&settled={settled}", limit.limit);
            if let Some(coupon) = coupon {
                query.push_str(&format!("&coupon_id={}", encoded(coupon)));
            }
            client.get(&format!("{PATH}?{query}")).await
        }
        ConflictsCall::Show { id } => client.get(&format!("{PATH}/{id}")).await,
        ConflictsCall::Settle { id, note } => {
            client.post(&format!("{PATH}/{id}/settle"), Some(&json!({ "note": note }))).await
        }
    }
}
