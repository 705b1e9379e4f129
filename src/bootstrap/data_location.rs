//! The location of the data, without users and passwords, for logs and reports.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::persistence::redis::RedisConnection;

/// Default port of a URL without one.
const POSTGRES_PORT: u16 = 5432;

pub(super) fn of_postgres(url: &SecretString) -> String {
    let url = Url::parse(url.expose_secret()).ok();
    let host = url.as_ref().and_then(Url::host_str).filter(|host| !host.is_empty()).unwrap_or("?");
    let port = url.as_ref().and_then(Url::port).unwrap_or(POSTGRES_PORT);
    format!("PostgreSQL {host}:{port}{}", url.as_ref().map_or("", Url::path))
}

pub(super) fn of_stack(database: &SecretString, redis: &SecretString) -> String {
    format!("{}, Redis {}", of_postgres(database), RedisConnection::address_of(redis))
}

#[cfg(test)]
mod tests {
    use super::{of_postgres, of_stack};

    #[test]
    fn a_location_names_server_and_port_and_hides_user_and_password() {
        let database = "postgres://kim:secret@db.example:6432/openrun?sslmode=require".to_owned().into();
        let redis = "rediss://kim:secret@cache.example/2".to_owned().into();
        assert_eq!(of_postgres(&database), "PostgreSQL db.example:6432/openrun");
        let both = "PostgreSQL db.example:6432/openrun, Redis cache.example:6379";
        assert_eq!(of_stack(&database, &redis), both);
        let sentinels = "redis-sentinel://kim:secret@one,two:1/mymaster".to_owned().into();
        let both = "PostgreSQL db.example:6432/openrun, Redis sentinels one:26379,two:1 for mymaster";
        assert_eq!(of_stack(&database, &sentinels), both);
        assert_eq!(of_postgres(&"postgres://[::1]/a".to_owned().into()), "PostgreSQL [::1]:5432/a");
    }
}
