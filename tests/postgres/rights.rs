//! A database user without the needed rights is refused at start.

use openrun::persistence::postgres::{RightsError, check, check_rights, check_rights_to_read};
use uuid::Uuid;

use crate::fixtures::{Stage, connect};

/// Creates a role without rights; gives its name and URL.
async fn role_without_rights(stage: &Stage) -> (String, String) {
    let user = format!("reader_{}", Uuid::new_v4().simple());
    stage.execute(&format!("CREATE ROLE {user} LOGIN")).await.expect("a role can be made");
    let mut url = url::Url::parse(stage.url()).expect("it is a URL");
    url.set_username(&user).expect("it can have a user");
    (user, url.into())
}

/// Creates a role that may read all tables.
async fn reader(stage: &Stage) -> (String, String) {
    let (user, url) = role_without_rights(stage).await;
    let statement = format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}");
    stage.execute(&statement).await.expect("rights can be given");
    (user, url)
}

fn grants(error: &RightsError) -> &str {
    let RightsError::Lacking { grants, .. } = error else { panic!("{error}") };
    grants
}

#[tokio::test]
async fn missing_rights_are_named_as_the_grants_that_add_them() {
    let stage = Stage::new(10).await;
    let (user, url) = reader(&stage).await;
    let database = connect(&url).await;
    let error = check_rights(&database).await.expect_err("it may only read");
    let grants = grants(&error);
    for part in [
        format!("GRANT INSERT, UPDATE ON coupons TO \"{user}\""),
        format!("GRANT INSERT, UPDATE ON coupon_issuances TO \"{user}\""),
        format!("GRANT INSERT, UPDATE, DELETE ON nodes TO \"{user}\""),
    ] {
        assert!(grants.contains(&part), "{part}: {error}");
    }
    assert!(!grants.contains("SELECT"), "{error}");
    // Running the named statements is enough.
    stage.execute(grants).await.expect("they are statements");
    check_rights(&database).await.expect("nothing is missing");
    stage.execute(&format!("REVOKE DELETE ON leases FROM {user}")).await.unwrap();
    let error = check_rights(&database).await.expect_err("one is missing");
    assert!(error.to_string().ends_with(&format!(": GRANT DELETE ON leases TO \"{user}\"")), "{error}");
}

#[tokio::test]
async fn the_named_grants_suffice_for_a_role_without_rights() {
    let stage = Stage::new(10).await;
    let (user, url) = role_without_rights(&stage).await;
    let database = connect(&url).await;
    let error = check_rights_to_read(&database).await.expect_err("it may read nothing");
    let of_migrations = format!("GRANT SELECT ON _sqlx_migrations TO \"{user}\"");
    assert!(grants(&error).starts_with(&of_migrations), "{error}");
    for right in ["INSERT", "UPDATE", "DELETE"] {
        assert!(!grants(&error).contains(right), "reading needs no {right}: {error}");
    }
    stage.execute(grants(&error)).await.expect("they are statements");
    check_rights_to_read(&database).await.expect("it may read");
    check(&database).await.expect("it may read the schema's version");
    let error = check_rights(&database).await.expect_err("it may not write");
    stage.execute(grants(&error)).await.expect("they are statements");
    check_rights(&database).await.expect("it may do everything");
}

/// The check of the schema reports missing tables.
#[tokio::test]
async fn missing_tables_are_ignored() {
    let stage = Stage::new(10).await;
    stage.execute("DROP TABLE lost_numbers, leases").await.expect("tables can be dropped");
    check_rights(&stage.database).await.expect("the owner may do everything");
}

#[tokio::test]
async fn a_role_whose_transactions_are_read_only_is_refused() {
    let stage = Stage::new(10).await;
    let (user, url) = reader(&stage).await;
    let name = stage.url().rsplit('/').next().expect("it has a name").to_owned();
    stage.execute(&format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}")).await.unwrap();
    check_rights(&connect(&url).await).await.expect("it may do everything");
    for scope in [format!("ROLE {user}"), format!("ROLE {user} IN DATABASE {name}")] {
        stage.execute(&format!("ALTER {scope} SET default_transaction_read_only = on")).await.unwrap();
        let error = check_rights(&connect(&url).await).await.expect_err("its transactions are read-only");
        assert!(matches!(error, RightsError::ReadOnly { .. }), "{error}");
        stage.execute(&format!("ALTER {scope} RESET default_transaction_read_only")).await.unwrap();
    }
}

/// The database may accept writes again while the node waits for it.
#[tokio::test]
async fn a_read_only_database_is_not_blamed_on_its_user() {
    let stage = Stage::new(10).await;
    let name = stage.url().rsplit('/').next().expect("it has a name").to_owned();
    stage.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await.unwrap();
    check_rights(&connect(stage.url()).await).await.expect("the user may do everything");
}
