//! `openrun coupons`: what operators do, over the API of a running node.

use std::process::ExitCode;

use serde_json::{Map, Value};

use super::answer::{self, Column};
use super::api_client::ApiClient;
use super::args::{CouponsArgs, CouponsCall, CreateArgs};
use super::failure::Failure;
use super::runtime;
use crate::domain::CouponId;

/// The columns of the table.
const COLUMNS: [Column; 6] = [
    Column::text("id"),
    Column::text("state"),
    Column::number("total"),
    Column::number("issued"),
    Column::number("remaining"),
    Column::text("opens_at"),
];

pub(super) fn run(args: &CouponsArgs) -> Result<ExitCode, Failure> {
    runtime::run(async {
        let client = ApiClient::new(&args.operator.server, args.operator.admin_token.clone())?;
        let told = call(&client, &args.call).await?;
        answer::write(&told, args.operator.json, &COLUMNS)
    })
}

async fn call(client: &ApiClient, call: &CouponsCall) -> Result<Value, Failure> {
    match call {
        CouponsCall::Create(args) => client.post("/v1/coupons", Some(&wanted(args))).await,
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

fn path(id: &str, call: &str) -> Result<String, Failure> {
    let id = CouponId::parse(id).map_err(Failure::operator)?;
    Ok(format!("/v1/coupons/{id}{call}"))
}

fn wanted(args: &CreateArgs) -> Value {
    let mut wanted = Map::new();
    wanted.insert("id".to_owned(), args.id.clone().into());
    wanted.insert("total".to_owned(), args.total.into());
    for (name, value) in [
        ("name", &args.name),
        ("description", &args.description),
        ("discount", &args.discount),
        ("opens_at", &args.opens_at),
        ("closes_at", &args.closes_at),
        ("valid_until", &args.valid_until),
    ] {
        if let Some(value) = value {
            wanted.insert(name.to_owned(), value.clone().into());
        }
    }
    wanted.into()
}

/// Every page in turn.
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
