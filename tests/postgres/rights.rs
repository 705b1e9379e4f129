//! A user who may not do all that a node does is refused before anything depends on it.

use openrun::persistence::postgres::{RightsError, check, check_rights, check_rights_to_read};
use uuid::Uuid;

use crate::fixtures::{Stage, connect};

/// A user of one's own without any right, and the URL by which they come.
async fn nobody(stage: &Stage) -> (String, String) {
    let user = format!("reader_{}", Uuid::new_v4().simple());
    stage.by_hand(&format!("CREATE ROLE {user} LOGIN")).await.expect("a role can be made");
    let mut url = url::Url::parse(stage.url()).expect("it is a URL");
    url.set_username(&user).expect("it can have a user");
    (user, url.into())
}

/// The same, who may read everything.
async fn reader(stage: &Stage) -> (String, String) {
    let (user, url) = nobody(stage).await;
    let statement = format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}");
    stage.by_hand(&statement).await.expect("rights can be given");
    (user, url)
}

/// What `error` says to run.
fn grants(error: &RightsError) -> &str {
    let RightsError::Lacking { grants, .. } = error else { panic!("{error}") };
    grants
}

#[tokio::test]
async fn what_is_missing_is_named_as_what_gives_it_until_nothing_is() {
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
    // What it says is what it takes.
    stage.by_hand(grants).await.expect("they are statements");
    check_rights(&database).await.expect("nothing is missing");
    stage.by_hand(&format!("REVOKE DELETE ON leases FROM {user}")).await.unwrap();
    let error = check_rights(&database).await.expect_err("one is missing");
    assert!(error.to_string().ends_with(&format!(": GRANT DELETE ON leases TO \"{user}\"")), "{error}");
}

#[tokio::test]
async fn nobody_needs_more_than_it_says_though_they_had_no_right_at_all() {
    let stage = Stage::new(10).await;
    let (user, url) = nobody(&stage).await;
    let database = connect(&url).await;
    let error = check_rights_to_read(&database).await.expect_err("it may read nothing");
    let of_migrations = format!("GRANT SELECT ON _sqlx_migrations TO \"{user}\"");
    assert!(grants(&error).starts_with(&of_migrations), "{error}");
    for right in ["INSERT", "UPDATE", "DELETE"] {
        assert!(!grants(&error).contains(right), "whoever reads needs no {right}: {error}");
    }
    stage.by_hand(grants(&error)).await.expect("they are statements");
    check_rights_to_read(&database).await.expect("it may read");
    check(&database).await.expect("it may read the schema's version");
    let error = check_rights(&database).await.expect_err("it may not write");
    stage.by_hand(grants(&error)).await.expect("they are statements");
    check_rights(&database).await.expect("it may do everything");
}

/// Whether they are there is for another check to say.
#[tokio::test]
async fn of_tables_that_are_not_there_nothing_is_said() {
    let stage = Stage::new(10).await;
    stage.by_hand("DROP TABLE lost_numbers, leases").await.expect("tables can be dropped");
    check_rights(&stage.database).await.expect("the owner may do everything");
}

#[tokio::test]
async fn somebody_with_every_right_who_writes_nothing_is_refused() {
    let stage = Stage::new(10).await;
    let (user, url) = reader(&stage).await;
    let name = stage.url().rsplit('/').next().expect("it has a name").to_owned();
    stage.by_hand(&format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}")).await.unwrap();
    check_rights(&connect(&url).await).await.expect("it may do everything");
    for of in [format!("ROLE {user}"), format!("ROLE {user} IN DATABASE {name}")] {
        stage.by_hand(&format!("ALTER {of} SET default_transaction_read_only = on")).await.unwrap();
        let error = check_rights(&connect(&url).await).await.expect_err("it writes nothing");
        assert!(matches!(error, RightsError::ReadOnly { .. }), "{error}");
        stage.by_hand(&format!("ALTER {of} RESET default_transaction_read_only")).await.unwrap();
    }
}

/// It may take writes again while the node waits for it.
#[tokio::test]
async fn a_database_that_takes_no_writes_for_now_is_no_fault_of_its_user() {
    let stage = Stage::new(10).await;
    let name = stage.url().rsplit('/').next().expect("it has a name").to_owned();
    stage.by_hand(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await.unwrap();
    check_rights(&connect(stage.url()).await).await.expect("the user may do everything");
}
