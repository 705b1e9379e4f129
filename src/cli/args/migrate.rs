//! Arguments of `openrun migrate`.

use std::path::PathBuf;

use clap::Args;

use crate::bootstrap::EngineKind;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct MigrateArgs {
    /// PostgreSQL to migrate, such as postgres://user:password@localhost:5432/openrun
    #[arg(long, env = "OPENRUN_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(in crate::cli) database_url: Option<String>,

    /// Directory of the embedded engine's file [default: ./openrun-data]; `serve` migrates it, too
    #[arg(long, env = "OPENRUN_DATA_DIR", value_name = "DIR")]
    pub(in crate::cli) data_dir: Option<PathBuf>,

    /// Engine, as for `serve`: all but `embedded` use PostgreSQL [default: PostgreSQL if it has a URL, else embedded]
    #[arg(long, env = "OPENRUN_ENGINE")]
    pub(in crate::cli) engine: Option<EngineKind>,
}
