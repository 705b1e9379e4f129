//! Tests of the checks on issued answers: correct answers pass, and each violation is named.

use super::*;

fn answer(member_id: &str, sequence: u32, code: &str) -> IssuedAnswer {
    IssuedAnswer {
        member_id: member_id.into(),
        sequence,
        code: code.into(),
        repeated: false,
        requested_us: 0,
        answered_us: 100,
    }
}

fn at(answer: IssuedAnswer, requested_us: u64, answered_us: u64) -> IssuedAnswer {
    IssuedAnswer { requested_us, answered_us, ..answer }
}

#[test]
fn a_correct_race_has_no_violations() {
    let answers = [answer("a", 1, "A"), answer("b", 2, "B"), answer("a", 1, "A"), answer("c", 3, "C")];
    assert_eq!(find_violations(&answers, Some(3)), []);
    assert_eq!(count_distinct(&answers), (3, 3));
}

#[test]
fn a_race_without_issuances_has_no_violations() {
    assert_eq!(find_violations(&[], Some(3)), []);
    assert_eq!(count_distinct(&[]), (0, 0));
}

#[test]
fn a_member_with_two_coupons_is_named() {
    let found = find_violations(&[answer("a", 1, "A"), answer("a", 2, "B")], None);
    assert!(matches!(&found[..], [Violation::TwoCoupons { member_id, .. }] if member_id == "a"), "{found:?}");
}

#[test]
fn another_code_for_the_same_sequence_is_another_coupon() {
    let found = find_violations(&[answer("a", 1, "A"), answer("a", 1, "X")], None);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), "member a got two coupons: sequence 1 (A) and sequence 1 (X)");
}

#[test]
fn a_sequence_of_two_members_is_named_once() {
    let found = find_violations(&[answer("a", 1, "A"), answer("b", 1, "B"), answer("b", 1, "B")], None);
    assert_eq!(found, [Violation::SequenceTwice { sequence: 1, members: ["a".into(), "b".into()] }]);
    assert_eq!(found[0].to_string(), "sequence 1 was issued to two members: a and b");
}

#[test]
fn a_code_of_two_members_is_named() {
    let found = find_violations(&[answer("a", 1, "A"), answer("b", 2, "A")], None);
    assert_eq!(found, [Violation::CodeTwice { code: "A".into(), members: ["a".into(), "b".into()] }]);
}

#[test]
fn a_sequence_outside_of_the_stock_is_named() {
    let found = find_violations(&[answer("a", 0, "A"), answer("b", 3, "B"), answer("c", 4, "C")], Some(3));
    let outside =
        |member: &str, sequence| Violation::OutOfRange { member_id: member.into(), sequence, total: 3 };
    assert_eq!(found, [outside("a", 0), outside("c", 4)]);
}

#[test]
fn requests_that_overlap_may_be_served_in_either_order() {
    let answers = [at(answer("a", 2, "A"), 0, 50), at(answer("b", 1, "B"), 40, 60)];
    assert_eq!(find_violations(&answers, None), []);
}

#[test]
fn a_request_after_an_answer_must_get_a_higher_sequence() {
    let answers =
        [at(answer("a", 2, "A"), 0, 50), at(answer("b", 1, "B"), 51, 60), at(answer("c", 3, "C"), 70, 80)];
    let found = find_violations(&answers, None);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].to_string(),
        "member b got sequence 1, although a had got sequence 2 before this member's first request"
    );
}

#[test]
fn a_repeated_answer_says_nothing_about_the_order() {
    let early = at(answer("a", 2, "A"), 0, 5);
    let late = at(answer("b", 1, "B"), 10, 15);
    let found = find_violations(&[early.clone(), late.clone()], None);
    assert!(matches!(&found[..], [Violation::OutOfOrder { sequence: 1, .. }]), "{found:?}");
    let repeated = IssuedAnswer { repeated: true, ..late.clone() };
    assert_eq!(find_violations(&[early.clone(), repeated.clone()], None), []);
    // The 201 counts, in either order of the two answers.
    for two in [[late.clone(), repeated.clone()], [repeated, late]] {
        let answer = [vec![early.clone()], two.to_vec()].concat();
        assert_eq!(find_violations(&answer, None).len(), 1);
    }
}

#[test]
fn wrong_order_is_found_across_many_sequences() {
    let mut answers: Vec<IssuedAnswer> = (1..=100)
        .map(|n| at(answer(&format!("m{n}"), n, &format!("C{n}")), u64::from(n) * 10, u64::from(n) * 10 + 5))
        .collect();
    assert_eq!(find_violations(&answers, Some(100)), []);
    answers[9] = at(answers[9].clone(), 5_000, 5_005);
    let found = find_violations(&answers, Some(100));
    assert!(matches!(&found[..], [Violation::OutOfOrder { sequence: 10, .. }]), "{found:?}");
}
