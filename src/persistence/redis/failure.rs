//! What an error of Redis means to whoever asked the engine.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::ports::EngineError;

/// Redis could not be asked, or would not do it now.
#[derive(Debug, thiserror::Error)]
#[error("Redis {what}")]
pub(super) struct Failure {
    what: &'static str,
    #[source]
    source: Option<RedisError>,
}

/// The whole time for an answer is over. The script may have run, or may still run.
pub(super) fn late() -> EngineError {
    EngineError::Unavailable(Box::new(Failure { what: "did not answer in time", source: None }))
}

/// What `error` means. All that may pass, or that leaves open whether the script ran, is [`EngineError::Unavailable`]:
/// every script may be asked again. What asking again cannot change is [`EngineError::Corrupt`].
pub(super) fn of_redis(error: RedisError) -> EngineError {
    match meaning(&error) {
        Some(what) => EngineError::Unavailable(Box::new(Failure { what, source: Some(error) })),
        None => EngineError::Corrupt(error.to_string()),
    }
}

fn meaning(error: &RedisError) -> Option<&'static str> {
    let by_code = match error.code() {
        Some("BUSY") => "is busy with another script (BUSY)",
        Some("LOADING") => "is still loading its data (LOADING)",
        Some("READONLY") => "is a replica and takes no writes (READONLY)",
        Some("OOM") => "is out of memory and takes no writes (OOM)",
        Some("NOAUTH" | "WRONGPASS") => "wants another password (NOAUTH)",
        Some("NOPERM") => "does not allow this user to do it (NOPERM)",
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
    // To who has not given a password yet, a long command is a breach of protocol and not merely NOAUTH.
    if error.detail().is_some_and(|detail| detail.contains("unauthenticated")) {
        return Some("wants another password");
    }
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::ResponseError) | ErrorKind::Extension => None,
        ErrorKind::UnexpectedReturnType | ErrorKind::InvalidClientConfig => None,
        ErrorKind::AuthenticationFailed => Some("wants another password"),
        _ if error.is_timeout() => Some("did not answer in time"),
        _ => Some("cannot be reached"),
    }
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::{EngineError, of_redis};

    #[test]
    fn what_may_pass_is_unavailable_and_says_what_it_is() {
        for (code, words) in [
            ("BUSY", "Redis is busy with another script"),
            ("OOM", "Redis is out of memory"),
            ("NOAUTH", "Redis wants another password"),
            ("MISCONF", "Redis cannot write to its disk"),
        ] {
            let error = of_redis(make_extension_error(code.to_owned(), None));
            assert!(matches!(error, EngineError::Unavailable(_)), "{code}: {error:?}");
            assert!(error.to_string().contains(words), "{code}: {error}");
        }
    }

    #[test]
    fn what_asking_again_cannot_change_is_corrupt() {
        let error = of_redis(make_extension_error("WRONGTYPE".to_owned(), None));
        assert!(matches!(error, EngineError::Corrupt(_)), "{error:?}");
    }
}
