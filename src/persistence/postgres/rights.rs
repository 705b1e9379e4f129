//! Whether the database's user may do what this program does.

use super::database::Database;
use super::errors::DatabaseError;

/// What is done to each table. Lowering a total locks the issuances against inserts (`migrations/postgres`), which takes
/// the right to update them.
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

/// What is read by whoever only compares and proves.
const READ: [(&str, &[&str]); 6] = [
    ("_sqlx_migrations", &["SELECT"]),
    ("coupons", &["SELECT"]),
    ("coupon_issuances", &["SELECT"]),
    ("coupon_admissions", &["SELECT"]),
    ("issuance_conflicts", &["SELECT"]),
    ("issuance_write_offs", &["SELECT"]),
];

/// In the order in which they were asked for, so that rights to one table stand side by side. Of a table that is not there
/// nothing is said: whether the tables are there is another question, which takes rights by itself.
const LACKING: &str = "SELECT on_table, what FROM UNNEST($1::text[], $2::text[]) WITH ORDINALITY
        AS needed (on_table, what, place)
    WHERE NOT has_table_privilege(to_regclass(on_table), what) ORDER BY place";

/// Who is asked for, and whether their every transaction is read-only because they are who they are. A server or a
/// database that takes no writes may take them again in a minute, and is waited for.
const USER: &str = "SELECT current_user::text, EXISTS (
        SELECT FROM pg_settings WHERE name = 'default_transaction_read_only'
            AND setting = 'on' AND source IN ('user', 'database user'))";

/// Why the database's user will not do.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// It may not do all that the program does.
    #[error("the database user {user:?} lacks rights; let the owner of the tables run: {grants}")]
    Lacking {
        /// Who it is.
        user: String,
        /// The statements that give what is missing, separated by semicolons.
        grants: String,
    },
    /// It may, but each of its transactions is read-only.
    #[error(
        "the database user {user:?} writes nothing (its default_transaction_read_only is on): take another user, or run: \
         ALTER ROLE {} RESET default_transaction_read_only",
        quoted(user)
    )]
    ReadOnly {
        /// Who it is.
        user: String,
    },
    /// The database could not be asked.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Makes sure, without changing anything, that the user may do everything that a node does.
///
/// # Errors
/// [`RightsError`] says what is missing and what to do.
pub async fn check_rights(database: &Database) -> Result<(), RightsError> {
    let (user, writes_nothing) = ask_user(database).await.map_err(DatabaseError::Failed)?;
    check_tables(database, user.clone(), &NEEDED).await?;
    if writes_nothing { Err(RightsError::ReadOnly { user }) } else { Ok(()) }
}

/// Makes sure, without changing anything, that the user may read what is compared and proven.
///
/// # Errors
/// [`RightsError`] says what is missing and what to do.
pub async fn check_rights_to_read(database: &Database) -> Result<(), RightsError> {
    let (user, _may_well_write_nothing) = ask_user(database).await.map_err(DatabaseError::Failed)?;
    check_tables(database, user, &READ).await
}

async fn check_tables(
    database: &Database,
    user: String,
    needed: &[(&str, &[&str])],
) -> Result<(), RightsError> {
    let lacking = ask_lacking(database, needed).await.map_err(DatabaseError::Failed)?;
    if lacking.is_empty() {
        return Ok(());
    }
    Err(RightsError::Lacking { grants: grants(&lacking, &user), user })
}

async fn ask_user(database: &Database) -> sqlx::Result<(String, bool)> {
    let work = database.run(|connection| {
        Box::pin(async move { sqlx::query_as::<_, (String, bool)>(USER).fetch_one(connection).await })
    });
    work.await
}

/// Tables, and a right to each that the user has not.
async fn ask_lacking(database: &Database, needed: &[(&str, &[&str])]) -> sqlx::Result<Vec<(String, String)>> {
    let own = |text: &&str| (*text).to_owned();
    let each =
        needed.iter().flat_map(|(table, rights)| rights.iter().map(move |right| (own(table), own(right))));
    let (tables, rights): (Vec<String>, Vec<String>) = each.unzip();
    let work = database.run(move |connection| {
        Box::pin(async move { sqlx::query_as(LACKING).bind(tables).bind(rights).fetch_all(connection).await })
    });
    work.await
}

/// The statements that give `lacking` to `user`, one a table.
fn grants(lacking: &[(String, String)], user: &str) -> String {
    let of_table = |of_table: &[(String, String)]| {
        let rights: Vec<&str> = of_table.iter().map(|(_, right)| right.as_str()).collect();
        let table = of_table.first().map_or("", |(table, _)| table.as_str());
        format!("GRANT {} ON {table} TO {}", rights.join(", "), quoted(user))
    };
    let statements: Vec<String> = lacking.chunk_by(|a, b| a.0 == b.0).map(of_table).collect();
    statements.join("; ")
}

/// A name as SQL takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
