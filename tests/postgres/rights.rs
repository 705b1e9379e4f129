//! A user who may not do all that a node does is refused before anything depends on it.

use openrun::persistence::postgres::{RightsError, check_rights};
use uuid::Uuid;

use crate::fixtures::{Stage, connect};

/// A user of one's own, who may read everything and do nothing else, and the URL by which they come.
async fn reader(stage: &Stage) -> (String, String) {
    let user = format!("reader_{}", Uuid::new_v4().simple());
    let statement =
        format!("CREATE ROLE {user} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}");
    stage.by_hand(&statement).await.expect("a role can be made");
    let mut url = url::Url::parse(stage.url()).expect("it is a URL");
    url.set_username(&user).expect("it can have a user");
    (user, url.into())
}

#[tokio::test]
async fn what_is_missing_is_named_as_what_gives_it_until_nothing_is() {
    let stage = Stage::new(10).await;
    let (user, url) = reader(&stage).await;
    let database = connect(&url).await;
    let error = check_rights(&database).await.expect_err("it may only read");
    let RightsError::Lacking { grants, .. } = &error else { panic!("{error}") };
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
