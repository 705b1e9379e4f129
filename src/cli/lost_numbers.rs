//! `openrun lost-numbers`: lists and writes off issued numbers without a known holder, over the API of a running node.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::api_client::ApiClient;
use super::args::{LostNumbersArgs, LostNumbersCall};
use super::failure::Failure;
use super::operator::{self, Column};
use crate::domain::CouponId;

const COLUMNS: [Column; 6] = [
    Column::text("coupon_id"),
    Column::number("count"),
    Column::number("first"),
    Column::number("issued"),
    Column::text("noticed_at"),
    Column::text("permitted"),
];

pub(super) fn run(args: &LostNumbersArgs) -> Result<ExitCode, Failure> {
    operator::run(&args.operator, Some(&COLUMNS), async |client| call(client, &args.call).await)
}

async fn call(client: &ApiClient, call: &LostNumbersCall) -> Result<Value, Failure> {
    const PATH: &str = "/v1/admin/lost-numbers";
    match call {
        LostNumbersCall::List => client.get(PATH).await,
        LostNumbersCall::WriteOff { coupon, count, note } => {
            let id = CouponId::parse(coupon).map_err(Failure::operator)?;
            let body = json!({ "count": count, "note": note });
            client.post(&format!("{PATH}/{id}/write-off"), Some(&body)).await
        }
    }
}
