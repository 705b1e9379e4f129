//! Checks that the database user has the rights that openrun needs.

use sqlx::Row;

use super::database::Database;
use super::errors::DatabaseError;

/// The rights of a node. Lowering a total locks the issuances against inserts (`migrations/postgres`), for which
/// PostgreSQL demands the right to update them.
const NEEDED: [(&str, &[&str]); 12] = [
    ("_sqlx_migrations", &["SELECT"]),
    ("coupons", &["SELECT", "INSERT", "UPDATE"]),
    ("coupon_issuances", &["SELECT", "INSERT", "UPDATE"]),
    ("coupon_admissions", &["SELECT", "INSERT", "UPDATE"]),
    ("engine_revision", &["SELECT", "UPDATE"]),
    ("issuance_conflicts", &["SELECT", "INSERT", "UPDATE"]),
    ("issuance_write_offs", &["SELECT", "INSERT"]),
    ("nodes", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("leases", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("coupon_recoveries", &["SELECT", "INSERT", "UPDATE"]),
    ("lost_numbers", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("coupon_testimonies", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
];

/// The rights of `reconcile` and `verify`, which only read.
const READ: [(&str, &[&str]); 6] = [
    ("_sqlx_migrations", &["SELECT"]),
    ("coupons", &["SELECT"]),
    ("coupon_issuances", &["SELECT"]),
    ("coupon_admissions", &["SELECT"]),
    ("issuance_conflicts", &["SELECT"]),
    ("issuance_write_offs", &["SELECT"]),
];

/// Keeps the order of the arguments, so that the rights to one table are adjacent. A missing table yields no row: the
/// check of the schema reports it.
const LACKING: &str = "SELECT on_table, what FROM UNNEST($1::text[], $2::text[]) WITH ORDINALITY
        AS needed (on_table, what, place)
    WHERE NOT has_table_privilege(to_regclass(on_table), what) ORDER BY place";

/// The user, and whether a setting of that user makes every transaction read-only. A server or a database that is
/// read-only does not count: it may accept writes again soon, and openrun waits for it.
const USER: &str = "SELECT current_user::text, EXISTS (
        SELECT FROM pg_settings WHERE name = 'default_transaction_read_only'
            AND setting = 'on' AND source IN ('user', 'database user'))";

/// A lack of rights, with the statements that remedy it.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    #[error("the database user {user:?} lacks rights; let the owner of the tables run: {grants}")]
    Lacking {
        user: String,
        /// GRANT statements, separated by semicolons.
        grants: String,
    },
    #[error(
        "every transaction of the database user {user:?} is read-only (default_transaction_read_only is on): use another \
         user, or run: ALTER ROLE {} RESET default_transaction_read_only",
        quoted(user)
    )]
    ReadOnly { user: String },
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Checks the rights of a node, without changing anything.
///
/// # Errors
/// [`RightsError`] with the remedy.
pub async fn check_rights(database: &Database) -> Result<(), RightsError> {
    let (user, is_read_only) = read_user(database).await.map_err(DatabaseError::Failed)?;
    check_tables(database, user.clone(), &NEEDED).await?;
    if is_read_only { Err(RightsError::ReadOnly { user }) } else { Ok(()) }
}

/// Checks the rights of `reconcile` and `verify`, without changing anything.
///
/// # Errors
/// [`RightsError`] with the remedy.
pub async fn check_rights_to_read(database: &Database) -> Result<(), RightsError> {
    let (user, _) = read_user(database).await.map_err(DatabaseError::Failed)?;
    check_tables(database, user, &READ).await
}

async fn check_tables(
    database: &Database,
    user: String,
    needed: &[(&str, &[&str])],
) -> Result<(), RightsError> {
    let lacking = find_lacking(database, needed).await.map_err(DatabaseError::Failed)?;
    if lacking.is_empty() {
        return Ok(());
    }
    Err(RightsError::Lacking { grants: grants(&lacking, &user), user })
}

async fn read_user(database: &Database) -> sqlx::Result<(String, bool)> {
    let row = database.fetch_one(sqlx::query(USER)).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// The missing rights, as pairs of table and right.
async fn find_lacking(
    database: &Database,
    needed: &[(&str, &[&str])],
) -> sqlx::Result<Vec<(String, String)>> {
    let pairs = needed.iter().flat_map(|(table, rights)| rights.iter().map(|right| (*table, *right)));
    let (tables, rights): (Vec<&str>, Vec<&str>) = pairs.unzip();
    let rows = database.fetch_all(sqlx::query(LACKING).bind(tables).bind(rights)).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// One GRANT statement per table.
fn grants(lacking: &[(String, String)], user: &str) -> String {
    let statement = |table_rights: &[(String, String)]| {
        let rights: Vec<&str> = table_rights.iter().map(|(_, right)| right.as_str()).collect();
        let table = table_rights.first().map_or("", |(table, _)| table.as_str());
        format!("GRANT {} ON {table} TO {}", rights.join(", "), quoted(user))
    };
    let statements: Vec<String> = lacking.chunk_by(|a, b| a.0 == b.0).map(statement).collect();
    statements.join("; ")
}

/// Quotes an SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
