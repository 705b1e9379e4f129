//! Tests of the verdict: what contradicts what members were told is found, and nothing else.

use super::*;

fn told(members: impl IntoIterator<Item = u32>) -> Vec<IssuedAnswer> {
    let told = |number: u32| IssuedAnswer {
        member_id: format!("m{number}"),
        sequence: number,
        code: format!("CODE-{number}"),
        repeated: false,
        requested_us: 0,
        answered_us: 1,
    };
    members.into_iter().map(told).collect()
}

fn rows(members: impl IntoIterator<Item = i32>) -> Vec<Row> {
    let row =
        |number| Row { sequence: number, member_id: format!("m{number}"), code: format!("CODE-{number}") };
    members.into_iter().map(row).collect()
}

fn truth(total: u32, issued: u32, told: &[IssuedAnswer], held: Option<Vec<Row>>) -> Truth {
    Truth {
        coupon_id: "c".to_owned(),
        total,
        issued,
        told: issued_answers::count_distinct(told).0,
        rows: held.as_ref().map(|held| held.len() as u64),
        may_be_untold: Some(0),
        held,
    }
}

#[track_caller]
fn assert_found(truth: &Truth, told: &[IssuedAnswer], words: &str) {
    let found = judge(truth, told);
    assert!(found.iter().any(|sentence| sentence.contains(words)), "{found:?}");
}

#[test]
fn what_agrees_holds() {
    let told = told(1..=3);
    assert_eq!(judge(&truth(3, 3, &told, Some(rows(1..=3))), &told), [""; 0]);
    assert_eq!(judge(&truth(3, 3, &told, None), &told), [""; 0]);
}

#[test]
fn a_row_that_is_missing_breaks_the_promise() {
    let told = told(1..=3);
    let truth = truth(3, 3, &told, Some(rows(1..=2)));
    assert_found(&truth, &told, "1 answers of c are no row: those of m3");
    assert_found(&truth, &told, "3 of c are issued, and 2 are in the database");
}

#[test]
fn a_row_that_says_something_else_breaks_the_promise() {
    let told = told(1..=2);
    let mut held = rows(1..=2);
    held[1].code = "ANOTHER".to_owned();
    assert_found(&truth(2, 2, &told, Some(held)), &told, "those of m2");
    let mut held = rows(1..=2);
    held[0].sequence = 2;
    assert_found(&truth(2, 2, &told, Some(held)), &told, "those of m1");
}

#[test]
fn more_than_there_are_breaks_the_promise() {
    let two = told(1..=2);
    assert_found(&truth(2, 3, &two, None), &two, "3 of c are issued, and there are 2");
    let three = told(1..=3);
    assert_found(&truth(2, 2, &three, Some(rows(1..=3))), &three, "3 rows of c, and there are 2");
    assert_found(&truth(2, 2, &three, None), &three, "3 members were told a coupon of c, and 2 are issued");
}

#[test]
fn an_issuance_that_nobody_was_told_of_breaks_the_promise_unless_an_answer_was_lost() {
    let told = told(1..=2);
    let mut truth = truth(5, 3, &told, None);
    assert_found(&truth, &told, "1 of c are issued to nobody who was told");
    truth.may_be_untold = Some(1);
    assert_eq!(judge(&truth, &told), [""; 0]);
    truth.may_be_untold = None;
    assert_eq!(judge(&truth, &told), [""; 0], "others may have asked");
}

#[test]
fn a_member_with_two_rows_breaks_the_promise() {
    let told = told(1..=1);
    let mut held = rows(1..=2);
    held[1].member_id = "m1".to_owned();
    assert_found(&truth(5, 2, &told, Some(held)), &told, "1 rows of c are of members who have another");
}
