//! `openrun migrate`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::args::{DATA_DIR, MigrateArgs};
use super::failure::Failure;
use super::runtime;
use crate::bootstrap::{self, EngineKind, Migration, SettingsError};
use crate::telemetry::{self, LogFormat, MIGRATE_FILTER};

pub(super) fn run(args: MigrateArgs) -> Result<ExitCode, Failure> {
    telemetry::init(LogFormat::Pretty, MIGRATE_FILTER, None).map(drop).map_err(Failure::operator)?;
    let url = args.database_url.filter(|url| !url.is_empty());
    let (migration, database) = match (args.engine, url) {
        (None | Some(EngineKind::Embedded), None) | (Some(EngineKind::Embedded), Some(_)) => {
            let data_dir = args.data_dir.unwrap_or_else(|| PathBuf::from(DATA_DIR));
            (Migration::Embedded(data_dir), "the embedded engine")
        }
        (_, Some(url)) => (Migration::Postgres(url.into()), "PostgreSQL"),
        (Some(engine), None) => {
            return Err(SettingsError::MissingUrl(engine, "OPENRUN_DATABASE_URL").into());
        }
    };
    runtime::run(async {
        bootstrap::migrate(&migration).await?;
        tracing::info!("the schema of {database} is up to date");
        Ok(ExitCode::SUCCESS)
    })
}
