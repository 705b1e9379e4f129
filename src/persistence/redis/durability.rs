//! Reads at start which Redis this is and whether it keeps acknowledged writes, so that openrun promises no more.

use std::collections::HashMap;

use redis::cmd;

use super::connection::RedisConnection;
use crate::ports::EngineError;

/// The oldest Redis whose scripts are known to write all or nothing when memory runs out.
const MIN_MAJOR: u32 = 7;

/// Whether acknowledged writes survive a crash of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// Every acknowledged write survives.
    Full,
    /// Some may be lost; one sentence for each reason.
    Lacking(Vec<String>),
    /// The server does not let its settings be read, as is common with managed ones; the reason.
    Unknown(String),
}

/// The identity and durability of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    pub version: String,
    /// Identifies the process: a restart changes it.
    pub run_id: String,
    /// `master` or `slave`, as Redis calls it.
    pub role: String,
    pub durability: Durability,
}

impl ServerReport {
    /// Reads INFO and CONFIG.
    ///
    /// # Errors
    /// [`EngineError`] if the server does not answer. Unreadable settings are no error: see [`Durability::Unknown`].
    pub async fn read(connection: &RedisConnection) -> Result<Self, EngineError> {
        let mut facts = HashMap::new();
        for section in ["server", "replication"] {
            let text: String = connection.query(cmd("INFO").arg(section)).await?;
            facts.extend(text.lines().filter_map(|line| {
                line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            }));
        }
        let mut fact = |name: &str| facts.remove(name).unwrap_or_default();
        let (version, run_id, role) = (fact("redis_version"), fact("run_id"), fact("role"));

        let mut settings = HashMap::new();
        for name in ["appendonly", "appendfsync", "maxmemory-policy"] {
            match connection.query::<HashMap<String, String>>(cmd("CONFIG").arg("GET").arg(name)).await {
                Ok(answer) => settings.extend(answer),
                Err(error) if is_forbidden(&error) => break,
                Err(error) => return Err(error),
            }
        }
        let durability = assess(&version, &role, &settings);
        Ok(Self { version, run_id, role, durability })
    }
}

/// A server without the command answers with an error; a server that forbids it to this user answers NOPERM.
fn is_forbidden(error: &EngineError) -> bool {
    let text = error.to_string();
    matches!(error, EngineError::Corrupt(_)) || text.contains("NOPERM")
}

fn assess(version: &str, role: &str, settings: &HashMap<String, String>) -> Durability {
    let setting = |name: &str| settings.get(name).map(String::as_str);
    let mut missing = Vec::new();
    if role != "master" {
        missing.push(format!("it is a {role}, which takes no writes: connect to the primary"));
    }
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < MIN_MAJOR) {
        missing.push(format!("its version is {version:?}, but openrun needs {MIN_MAJOR} or later"));
    }
    for (name, wanted, risk) in [
        ("appendonly", "yes", "a restart loses everything since the last snapshot"),
        ("appendfsync", "always", "a crash loses the last acknowledged coupons"),
        ("maxmemory-policy", "noeviction", "it may evict coupons when memory runs short"),
    ] {
        if let Some(found) = setting(name).filter(|found| *found != wanted) {
            missing.push(format!("{name} is {found:?}, not {wanted:?}: {risk}"));
        }
    }
    match (missing.is_empty(), settings.len()) {
        (false, _) => Durability::Lacking(missing),
        (true, 3) => Durability::Full,
        (true, _) => Durability::Unknown("the server does not let CONFIG be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Durability, HashMap, assess};

    fn settings(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const GOOD: [(&str, &str); 3] =
        [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction")];

    #[test]
    fn only_the_durable_settings_are_full() {
        assert_eq!(assess("7.0.15", "master", &settings(&GOOD)), Durability::Full);
        for index in 0..GOOD.len() {
            let mut bad = GOOD;
            bad[index].1 = "else";
            let Durability::Lacking(missing) = assess("7.0.15", "master", &settings(&bad)) else {
                panic!("{bad:?}")
            };
            assert_eq!(missing.len(), 1);
            assert!(missing[0].starts_with(GOOD[index].0), "{missing:?}");
        }
    }

    #[test]
    fn an_old_server_or_a_replica_is_lacking() {
        for (version, role) in [("6.2.1", "master"), ("", "master"), ("7.2.0", "slave")] {
            assert!(
                matches!(assess(version, role, &settings(&GOOD)), Durability::Lacking(_)),
                "{version} {role}"
            );
        }
    }

    #[test]
    fn unreadable_settings_are_unknown() {
        assert!(matches!(assess("7.2.0", "master", &settings(&[])), Durability::Unknown(_)));
    }
}
