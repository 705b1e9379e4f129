//! Tests of the audit: each contradiction between answers, service and database is found, and nothing else.

use super::*;

fn answers(members: impl IntoIterator<Item = u32>) -> Vec<IssuedAnswer> {
    let answers = |number: u32| IssuedAnswer {
        member_id: format!("m{number}"),
        sequence: number,
        code: format!("CODE-{number}"),
        repeated: false,
        requested_us: 0,
        answered_us: 1,
    };
    members.into_iter().map(answers).collect()
}

fn rows(members: impl IntoIterator<Item = i32>) -> Vec<IssuanceRow> {
    let row = |number| IssuanceRow {
        sequence: number,
        member_id: format!("m{number}"),
        code: format!("CODE-{number}"),
    };
    members.into_iter().map(row).collect()
}

fn audit(
    total: u32,
    issued: u32,
    answers: &[IssuedAnswer],
    issuance_rows: Option<Vec<IssuanceRow>>,
) -> CouponAudit {
    CouponAudit {
        coupon_id: "c".to_owned(),
        total,
        issued,
        answered_members: issued_answers::count_distinct(answers).0,
        rows: issuance_rows.as_ref().map(|issuance_rows| issuance_rows.len() as u64),
        unanswered_max: Some(0),
        issuance_rows,
    }
}

#[track_caller]
fn assert_found(audit: &CouponAudit, answers: &[IssuedAnswer], words: &str) {
    let found = find_contradictions(audit, answers);
    assert!(found.iter().any(|sentence| sentence.contains(words)), "{found:?}");
}

#[test]
fn a_consistent_coupon_has_no_contradictions() {
    let answers = answers(1..=3);
    assert_eq!(find_contradictions(&audit(3, 3, &answers, Some(rows(1..=3))), &answers), [""; 0]);
    assert_eq!(find_contradictions(&audit(3, 3, &answers, None), &answers), [""; 0]);
}

#[test]
fn a_missing_row_is_a_contradiction() {
    let answers = answers(1..=3);
    let audit = audit(3, 3, &answers, Some(rows(1..=2)));
    assert_found(&audit, &answers, "1 answers of c have no such row: those of m3");
    assert_found(&audit, &answers, "3 of c are issued, and 2 are in the database");
}

#[test]
fn a_row_with_other_values_is_a_contradiction() {
    let answers = answers(1..=2);
    let mut issuance_rows = rows(1..=2);
    issuance_rows[1].code = "ANOTHER".to_owned();
    assert_found(&audit(2, 2, &answers, Some(issuance_rows)), &answers, "those of m2");
    let mut issuance_rows = rows(1..=2);
    issuance_rows[0].sequence = 2;
    assert_found(&audit(2, 2, &answers, Some(issuance_rows)), &answers, "those of m1");
}

#[test]
fn more_issuances_than_the_total_are_a_contradiction() {
    let two = answers(1..=2);
    assert_found(&audit(2, 3, &two, None), &two, "3 of c are issued, and the total is 2");
    let three = answers(1..=3);
    assert_found(&audit(2, 2, &three, Some(rows(1..=3))), &three, "3 rows of c, and the total is 2");
    assert_found(&audit(2, 2, &three, None), &three, "3 members got c in an answer, and 2 are issued");
}

#[test]
fn an_issuance_in_no_answer_is_a_contradiction_unless_an_answer_was_lost() {
    let answers = answers(1..=2);
    let mut audit = audit(5, 3, &answers, None);
    assert_found(&audit, &answers, "1 of c are issued and in no answer");
    audit.unanswered_max = Some(1);
    assert_eq!(find_contradictions(&audit, &answers), [""; 0]);
    audit.unanswered_max = None;
    assert_eq!(find_contradictions(&audit, &answers), [""; 0], "the coupon may have other clients");
}

#[test]
fn a_member_with_two_rows_is_a_contradiction() {
    let answers = answers(1..=1);
    let mut issuance_rows = rows(1..=2);
    issuance_rows[1].member_id = "m1".to_owned();
    assert_found(
        &audit(5, 2, &answers, Some(issuance_rows)),
        &answers,
        "1 rows of c are of members with another row",
    );
}
