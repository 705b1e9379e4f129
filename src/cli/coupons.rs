//! `openrun coupons`: creates, lists and changes coupons, over the API of a running node.

use std::process::ExitCode;

use serde_json::{Map, Value};

use super::api_client::ApiClient;
use super::args::{CouponsArgs, CouponsCall, CreateArgs};
use super::failure::Failure;
use super::operator::{self, Column};
use crate::domain::CouponId;

const COLUMNS: [Column; 6] = [
    Column::text("id"),
    Column::text("state"),
    Column::number("total"),
    Column::number("issued"),
    Column::number("remaining"),
    Column::text("opens_at"),
];

pub(super) fn run(args: &CouponsArgs) -> Result<ExitCode, Failure> {
    operator::run(&args.operator, Some(&COLUMNS), async |client| call(client, &args.call).await)
}

async fn call(client: &ApiClient, call: &CouponsCall) -> Result<Value, Failure> {
    match call {
        CouponsCall::Create(args) => client.post("/v1/coupons", Some(&create_body(args))).await,
        CouponsCall::List => list(client).await,
        CouponsCall::Show { id } => client.get(&path(id, "")?).await,
        CouponsCall::SetTotal { id, total } => {
            client.patch(&path(id, "")?, &serde_json::json!({ "total": total })).await
        }
        CouponsCall::Pause { id } => client.post(&path(id, "/pause")?, None).await,
        CouponsCall::Resume { id } => client.post(&path(id, "/resume")?, None).await,
        CouponsCall::Close { id } => client.post(&path(id, "/close")?, None).await,
    }
}

fn path(id: &str, action: &str) -> Result<String, Failure> {
    let id = CouponId::parse(id).map_err(Failure::operator)?;
    Ok(format!("/v1/coupons/{id}{action}"))
}

fn create_body(args: &CreateArgs) -> Value {
    let mut body = Map::new();
    body.insert("id".to_owned(), args.id.clone().into());
    body.insert("total".to_owned(), args.total.into());
    for (name, value) in [
        ("name", &args.name),
        ("description", &args.description),
        ("discount", &args.discount),
        ("opens_at", &args.opens_at),
        ("closes_at", &args.closes_at),
        ("valid_until", &args.valid_until),
    ] {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.clone().into());
        }
    }
    body.into()
}

/// Reads all pages into one array.
async fn list(client: &ApiClient) -> Result<Value, Failure> {
    let mut coupons = Vec::new();
    let mut path = "/v1/coupons?limit=500".to_owned();
    loop {
        let mut page = client.get(&path).await?;
        if let Some(Value::Array(more)) = page.get_mut("coupons").map(Value::take) {
            coupons.extend(more);
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => path = format!("/v1/coupons?limit=500&after={next}"),
            None => return Ok(coupons.into()),
        }
    }
}
