//! `openrun conflicts`: issuances that contradict the database, over the API of a running node.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::answer::{self, Column};
use super::api_client::{ApiClient, encoded};
use super::args::{ConflictsArgs, ConflictsCall};
use super::failure::Failure;
use super::runtime;

/// The columns of a list, and of what was settled.
const LIST: [Column; 6] = [
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
    runtime::run(async {
        let client = ApiClient::new(&args.operator.server, args.operator.admin_token.clone())?;
        let told = call(&client, &args.call).await?;
        let columns: &[Column] = match &args.call {
            // All that is known of one is too much for a table.
            ConflictsCall::Show { .. } => return answer::write(&told, true, &[]),
            ConflictsCall::List { settled: false, .. } => &LIST,
            ConflictsCall::List { settled: true, .. } | ConflictsCall::Settle { .. } => &SETTLED,
        };
        answer::write(&told, args.operator.json, columns)
    })
}

async fn call(client: &ApiClient, call: &ConflictsCall) -> Result<Value, Failure> {
    const AT: &str = "/v1/admin/conflicts";
    match call {
        ConflictsCall::List { coupon, settled, after, limit } => {
            let mut query = format!("limit={limit}&after={after}&settled={settled}");
            if let Some(coupon) = coupon {
                query.push_str(&format!("&coupon_id={}", encoded(coupon)));
            }
            client.get(&format!("{AT}?{query}")).await
        }
        ConflictsCall::Show { id } => client.get(&format!("{AT}/{id}")).await,
        ConflictsCall::Settle { id, note } => {
            client.post(&format!("{AT}/{id}/settle"), Some(&json!({ "note": note }))).await
        }
    }
}
