//! What `openrun migrate` takes.

use std::path::PathBuf;

use clap::Args;

use crate::bootstrap::EngineKind;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct MigrateArgs {
    /// PostgreSQL to bring up to date, such as postgres://user:password@localhost:5432/openrun
    #[arg(long, env = "OPENRUN_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(in crate::cli) database_url: Option<String>,

    /// Directory of the embedded engine's file [default: ./openrun-data]; it is also brought up to date by `serve`
    #[arg(long, env = "OPENRUN_DATA_DIR", value_name = "DIR")]
    pub(in crate::cli) data_dir: Option<PathBuf>,

    /// Who decides, as for `serve`: PostgreSQL is brought up to date for all but `embedded` [default: whatever is named]
    #[arg(long, env = "OPENRUN_ENGINE")]
    pub(in crate::cli) engine: Option<EngineKind>,
}
