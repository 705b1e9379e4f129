//! Defaults and requirements that several commands share.

use secrecy::SecretString;

use crate::bootstrap::{EngineKind, SettingsError};

/// The folder of the embedded engine's file, unless a flag names another.
pub(in crate::cli) const DATA_DIR: &str = "openrun-data";

/// The URL of a service that `engine` cannot do without. An empty one counts as missing.
pub(in crate::cli) fn required_url(
    url: Option<&String>,
    engine: EngineKind,
    setting: &'static str,
) -> Result<SecretString, SettingsError> {
    let url = url.filter(|url| !url.is_empty());
    url.map(|url| url.clone().into()).ok_or(SettingsError::MissingUrl(engine, setting))
}
