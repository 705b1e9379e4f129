//! `openrun actors`: lists and restarts the actors of a running node, over its API.

use std::process::ExitCode;

use serde_json::Value;

use super::api_client::{ApiClient, encoded};
use super::args::{ActorsArgs, ActorsCall};
use super::failure::Failure;
use super::operator::{self, Column};

const COLUMNS: [Column; 7] = [
    Column::text("name"),
    Column::text("kind"),
    Column::text("state"),
    Column::number("mailbox_depth"),
    Column::number("restarts"),
    Column::text("since"),
    Column::text("last_failure"),
];

pub(super) fn run(args: &ActorsArgs) -> Result<ExitCode, Failure> {
    operator::run(&args.operator, Some(&COLUMNS), async |client| call(client, &args.call).await)
}

async fn call(client: &ApiClient, call: &ActorsCall) -> Result<Value, Failure> {
    match call {
        ActorsCall::List => client.get("/v1/admin/actors").await,
        ActorsCall::Restart { name } => {
            client.post(&format!("/v1/admin/actors/{}/restart", encoded(name)), None).await
        }
    }
}
