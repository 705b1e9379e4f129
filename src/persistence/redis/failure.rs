//! Converts errors of Redis into errors of the engine port.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::ports::EngineError;

/// Redis was not reached, or refused the command for now.
#[derive(Debug, thiserror::Error)]
#[error("Redis {what}")]
pub(super) struct Failure {
    what: &'static str,
    #[source]
    source: Option<RedisError>,
}

/// The error after the response timeout. The script may have run, or may still run.
pub(super) fn timed_out() -> EngineError {
    EngineError::Unavailable(Box::new(Failure { what: "did not answer in time", source: None }))
}

/// An error that may pass, or that leaves open whether the script ran, is [`EngineError::Unavailable`]: every script
/// may be repeated. An error that a repetition cannot change is [`EngineError::Corrupt`].
pub(super) fn engine_error(error: RedisError) -> EngineError {
    match describe_transient(&error) {
        Some(what) => EngineError::Unavailable(Box::new(Failure { what, source: Some(error) })),
        None => EngineError::Corrupt(error.to_string()),
    }
}

/// The text for an error that may pass, else `None`.
fn describe_transient(error: &RedisError) -> Option<&'static str> {
    let by_code = match error.code() {
        Some("BUSY") => "is busy with another script (BUSY)",
        Some("LOADING") => "is still loading its data (LOADING)",
        Some("READONLY") => "is a replica and takes no writes (READONLY)",
        Some("OOM") => "is out of memory and takes no writes (OOM)",
        Some("NOAUTH" | "WRONGPASS") => "rejects the password (NOAUTH)",
        Some("NOPERM") => "does not permit the command to this user (NOPERM)",
        Some("MISCONF") => "cannot write to its disk (MISCONF)",
        Some("NOREPLICAS") => "has too few replicas (NOREPLICAS)",
        Some("MASTERDOWN") => "has lost its primary (MASTERDOWN)",
        Some("CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK") => "is a cluster that is not ready for this key",
        Some("NOSCRIPT") => "forgot the script twice (NOSCRIPT)",
        Some("UNBLOCKED" | "UNKILLABLE" | "NOTBUSY") => "was interrupted",
        _ => "",
    };
    if !by_code.is_empty() {
        return Some(by_code);
    }
    // Before authentication Redis answers a long command with a protocol error instead of NOAUTH.
    if error.detail().is_some_and(|detail| detail.contains("unauthenticated")) {
        return Some("rejects the password");
    }
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::ResponseError) | ErrorKind::Extension => None,
        ErrorKind::UnexpectedReturnType | ErrorKind::InvalidClientConfig => None,
        ErrorKind::AuthenticationFailed => Some("rejects the password"),
        _ if error.is_timeout() => Some("did not answer in time"),
        _ => Some("cannot be reached"),
    }
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::{EngineError, engine_error};

    #[test]
    fn an_error_that_may_pass_is_unavailable_and_described() {
        for (code, words) in [
            ("BUSY", "Redis is busy with another script"),
            ("OOM", "Redis is out of memory"),
            ("NOAUTH", "Redis rejects the password"),
            ("MISCONF", "Redis cannot write to its disk"),
        ] {
            let error = engine_error(make_extension_error(code.to_owned(), None));
            assert!(matches!(error, EngineError::Unavailable(_)), "{code}: {error:?}");
            assert!(error.to_string().contains(words), "{code}: {error}");
        }
    }

    #[test]
    fn an_error_that_a_repetition_cannot_change_is_corrupt() {
        let error = engine_error(make_extension_error("WRONGTYPE".to_owned(), None));
        assert!(matches!(error, EngineError::Corrupt(_)), "{error:?}");
    }
}
