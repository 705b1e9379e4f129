//! What the server is and how much it can be trusted to keep: read at start, so that nobody promises more.

use std::collections::HashMap;

use redis::cmd;

use super::connection::RedisConnection;
use crate::ports::EngineError;

/// The oldest Redis whose scripts are known to write all or nothing when memory runs out.
const MIN_MAJOR: u32 = 7;

/// Whether what the server acknowledged survives a crash of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// Every acknowledged write survives.
    Full,
    /// Not every one: what is missing, each in words.
    Lacking(Vec<String>),
    /// The server does not let its settings be read, as managed ones often do; why, in words.
    Unknown(String),
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    /// Its version, such as `7.0.15`.
    pub version: String,
    /// The name of this very process; another after a restart.
    pub run_id: String,
    /// `master` or `slave`, in its own words.
    pub role: String,
    /// How much it keeps.
    pub durability: Durability,
}

impl ServerReport {
    /// Asks the server.
    ///
    /// # Errors
    /// [`EngineError`] if it does not answer. Settings it will not tell are no error: see [`Durability::Unknown`].
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
        let durability = judge(&version, &role, &settings);
        Ok(Self { version, run_id, role, durability })
    }
}

/// A server without the command calls it an error; one that forbids it to this user says NOPERM.
fn is_forbidden(error: &EngineError) -> bool {
    let text = error.to_string();
    matches!(error, EngineError::Corrupt(_)) || text.contains("NOPERM")
}

fn judge(version: &str, role: &str, settings: &HashMap<String, String>) -> Durability {
    let setting = |name: &str| settings.get(name).map(String::as_str);
    let mut missing = Vec::new();
    if role != "master" {
        missing.push(format!("it is a {role}, which takes no writes: connect to the primary"));
    }
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < MIN_MAJOR) {
        missing.push(format!("its version is {version:?}, but {MIN_MAJOR} or later is wanted"));
    }
    for (name, wanted, otherwise) in [
        ("appendonly", "yes", "a restart loses everything since the last snapshot"),
        ("appendfsync", "always", "a crash loses the last acknowledged coupons"),
        ("maxmemory-policy", "noeviction", "it may throw away coupons when memory runs short"),
    ] {
        if let Some(found) = setting(name).filter(|found| *found != wanted) {
            missing.push(format!("{name} is {found:?}, not {wanted:?}: {otherwise}"));
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
    use super::{Durability, HashMap, judge};

    fn settings(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const GOOD: [(&str, &str); 3] =
        [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction")];

    #[test]
    fn only_the_durable_settings_are_full() {
        assert_eq!(judge("7.0.15", "master", &settings(&GOOD)), Durability::Full);
        for place in 0..GOOD.len() {
            let mut bad = GOOD;
            bad[place].1 = "else";
            let Durability::Lacking(missing) = judge("7.0.15", "master", &settings(&bad)) else {
                panic!("{bad:?}")
            };
            assert_eq!(missing.len(), 1);
            assert!(missing[0].starts_with(GOOD[place].0), "{missing:?}");
        }
    }

    #[test]
    fn an_old_server_or_a_replica_is_lacking() {
        for (version, role) in [("6.2.1", "master"), ("", "master"), ("7.2.0", "slave")] {
            assert!(
                matches!(judge(version, role, &settings(&GOOD)), Durability::Lacking(_)),
                "{version} {role}"
            );
        }
    }

    #[test]
    fn settings_that_are_not_told_are_unknown() {
        assert!(matches!(judge("7.2.0", "master", &settings(&[])), Durability::Unknown(_)));
    }
}
