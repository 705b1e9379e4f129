//! `openrun lost-numbers`: numbers nobody knows the holder of, over the API of a running node.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::answer::{self, Column};
use super::api_client::ApiClient;
use super::args::{LostNumbersArgs, LostNumbersCall};
use super::failure::Failure;
use super::runtime;
use crate::domain::CouponId;

/// The columns of the table.
const COLUMNS: [Column; 6] = [
    Column::text("coupon_id"),
    Column::number("count"),
    Column::number("first"),
    Column::number("issued"),
    Column::text("noticed_at"),
    Column::text("permitted"),
];

pub(super) fn run(args: &LostNumbersArgs) -> Result<ExitCode, Failure> {
    runtime::run(async {
        let client = ApiClient::new(&args.operator.server, args.operator.admin_token.clone())?;
        let told = call(&client, &args.call).await?;
        answer::write(&told, args.operator.json, &COLUMNS)
    })
}

async fn call(client: &ApiClient, call: &LostNumbersCall) -> Result<Value, Failure> {
    const AT: &str = "/v1/admin/lost-numbers";
    match call {
        LostNumbersCall::List => client.get(AT).await,
        LostNumbersCall::WriteOff { coupon, count, note } => {
            let id = CouponId::parse(coupon).map_err(Failure::operator)?;
            let wanted = json!({ "count": count, "note": note });
            client.post(&format!("{AT}/{id}/write-off"), Some(&wanted)).await
        }
    }
}
