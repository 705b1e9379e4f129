//! The location of the data, without users and passwords, for logs and reports.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

// Default ports of URLs without one.
const POSTGRES_PORT: u16 = 5432;
const REDIS_PORT: u16 = 6379;

pub(super) fn of_postgres(url: &SecretString) -> String {
    let (server, path) = server_and_path(url, POSTGRES_PORT);
    format!("PostgreSQL {server}{path}")
}

pub(super) fn of_stack(database: &SecretString, redis: &SecretString) -> String {
    let (server, _number) = server_and_path(redis, REDIS_PORT);
    format!("{}, Redis {server}", of_postgres(database))
}

fn server_and_path(url: &SecretString, default_port: u16) -> (String, String) {
    let url = Url::parse(url.expose_secret()).ok();
    let host = url.as_ref().and_then(Url::host_str).filter(|host| !host.is_empty()).unwrap_or("?");
    let port = url.as_ref().and_then(Url::port).unwrap_or(default_port);
    (format!("{host}:{port}"), url.as_ref().map_or("", Url::path).to_owned())
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
        assert_eq!(of_postgres(&"postgres://[::1]/a".to_owned().into()), "PostgreSQL [::1]:5432/a");
    }
}
