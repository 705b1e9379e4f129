//! Reads which Redis this is and whether it keeps acknowledged writes, so that openrun promises no more.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, cmd};

use super::connect_error::ConnectError;

/// The oldest Redis whose scripts are known to write all or nothing when memory runs out.
const MIN_MAJOR: u32 = 7;
/// Settings on which durability depends: name, wanted value, and the risk of any other.
const WANTED: [(&str, &str, &str); 4] = [
    ("appendonly", "yes", "a restart loses everything since the last snapshot"),
    ("appendfsync", "always", "a crash loses the last acknowledged coupons"),
    ("no-appendfsync-on-rewrite", "no", "a crash during a rewrite of the file loses acknowledged coupons"),
    ("maxmemory-policy", "noeviction", "it may evict coupons when memory runs short"),
];

/// Whether acknowledged writes survive a crash of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// Every acknowledged write survives.
    Full,
    /// Some may be lost; one sentence for each reason.
    Lacking(Vec<String>),
    /// The server does not let its settings be read, as is common with managed ones; the reason.
    Unknown(String),
    /// The server's settings can be read, but not by this user.
    Forbidden,
}

/// The treatment of a server that may lose acknowledged writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossPolicy {
    /// It is not used.
    Refuse,
    /// It is used with a warning: members are answered after RabbitMQ or PostgreSQL has their issuances. The level.
    AnswerLater(&'static str),
    /// It is used with a warning.
    Accept,
    /// It is used: nothing is promised on its answers.
    Ignore,
}

/// The identity and durability of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    pub version: String,
    /// Identifies the process: a restart changes it.
    pub run_id: String,
    /// `master` or `slave`, as Redis calls it.
    pub role: String,
    pub durability: Durability,
    pub(super) is_loading: bool,
}

impl ServerReport {
    /// Reads INFO and CONFIG. `user` is the one of the URL, for errors.
    pub(super) async fn read(
        connection: &mut MultiplexedConnection,
        address: &str,
        user: &str,
    ) -> Result<Self, ConnectError> {
        let text: String = cmd("INFO").query_async(connection).await.map_err(|error| match error.code() {
            Some("NOPERM") => missing_right(address, user, "INFO", "+info"),
            _ => ConnectError::of(address.to_owned(), error),
        })?;
        let mut facts: HashMap<_, _> = text.lines().filter_map(|line| line.split_once(':')).collect();
        let mut fact = |name| facts.remove(name).unwrap_or_default().trim().to_owned();
        let (version, run_id, role) = (fact("redis_version"), fact("run_id"), fact("role"));
        let is_loading = fact("loading") == "1";

        let mut settings = HashMap::new();
        let mut durability = None;
        for (name, ..) in WANTED {
            let get = cmd("CONFIG").arg("GET").arg(name).to_owned();
            match get.query_async::<HashMap<String, String>>(connection).await {
                Ok(answer) => settings.extend(answer),
                Err(error) => {
                    durability = Some(unreadable(address, error)?);
                    break;
                }
            }
        }
        let durability = durability.unwrap_or_else(|| assess(&version, &settings));
        Ok(Self { version, run_id, role, durability, is_loading })
    }

    /// Applies `policy` to the server at `address`, and logs the result.
    pub(super) fn judge(&self, policy: LossPolicy, address: &str, user: &str) -> Result<(), ConnectError> {
        let lacking = match (&self.durability, policy) {
            (_, LossPolicy::Ignore) => return Ok(()),
            (Durability::Full, _) => {
                tracing::info!(
                    address,
                    "Redis writes every change to disk before it answers: a crash loses no issuance"
                );
                return Ok(());
            }
            (Durability::Unknown(why), _) => {
                tracing::warn!(address, error = %why, "the persistence settings of Redis cannot be read; serving without this check");
                return Ok(());
            }
            (Durability::Forbidden, LossPolicy::Refuse) => {
                return Err(missing_right(address, user, "CONFIG GET", "+config|get"));
            }
            (Durability::Lacking(missing), LossPolicy::Refuse) => {
                return Err(ConnectError::NotDurable {
                    address: address.to_owned(),
                    missing: missing.clone(),
                });
            }
            (Durability::Forbidden, _) => {
                "its settings are not known: its user may not run CONFIG GET".to_owned()
            }
            (Durability::Lacking(missing), _) => missing.join("; "),
        };
        match policy {
            LossPolicy::AnswerLater(ack) => tracing::warn!(
                address, missing = %lacking, ack,
                "a crash of Redis loses recent issuances, but none that was answered: members are answered after RabbitMQ \
                 or PostgreSQL has theirs"
            ),
            _ => tracing::warn!(
                address, missing = %lacking,
                "a crash of Redis loses coupons that members already have; serving, as accepted"
            ),
        }
        Ok(())
    }
}

fn missing_right(address: &str, user: &str, command: &'static str, right: &'static str) -> ConnectError {
    ConnectError::MissingRight { address: address.to_owned(), user: user.to_owned(), command, right }
}

/// A server without the command answers with an error of no particular code; a server that forbids it to this user
/// answers NOPERM.
fn unreadable(address: &str, error: RedisError) -> Result<Durability, ConnectError> {
    match error.code() {
        Some("NOPERM") => Ok(Durability::Forbidden),
        Some("ERR") => Ok(Durability::Unknown("the server does not let CONFIG be read".to_owned())),
        _ => Err(ConnectError::of(address.to_owned(), error)),
    }
}

fn assess(version: &str, settings: &HashMap<String, String>) -> Durability {
    let mut missing = Vec::new();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < MIN_MAJOR) {
        missing.push(format!("its version is {version:?}, but openrun needs {MIN_MAJOR} or later"));
    }
    for (name, wanted, risk) in WANTED {
        if let Some(found) = settings.get(name).filter(|found| *found != wanted) {
            missing.push(format!("{name} is {found:?}, not {wanted:?}: {risk}"));
        }
    }
    match (missing.is_empty(), settings.len()) {
        (false, _) => Durability::Lacking(missing),
        (true, known) if known == WANTED.len() => Durability::Full,
        (true, _) => Durability::Unknown("the server does not let CONFIG be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Durability, HashMap, WANTED, assess};

    fn settings(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_the_durable_settings_are_full() {
        let good = WANTED.map(|(name, wanted, _)| (name, wanted));
        assert_eq!(assess("7.0.15", &settings(&good)), Durability::Full);
        for index in 0..good.len() {
            let mut bad = good;
            bad[index].1 = "else";
            let Durability::Lacking(missing) = assess("7.0.15", &settings(&bad)) else { panic!("{bad:?}") };
            assert_eq!(missing.len(), 1);
            assert!(missing[0].starts_with(good[index].0), "{missing:?}");
        }
    }

    #[test]
    fn an_old_server_is_lacking() {
        let good = WANTED.map(|(name, wanted, _)| (name, wanted));
        for version in ["6.2.1", ""] {
            assert!(matches!(assess(version, &settings(&good)), Durability::Lacking(_)), "{version}");
        }
    }

    #[test]
    fn unreadable_settings_are_unknown() {
        assert!(matches!(assess("7.2.0", &settings(&[])), Durability::Unknown(_)));
    }
}
