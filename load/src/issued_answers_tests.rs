//! Tests of the checks on what members were told: each must pass what is right and name what is wrong.

use super::*;

fn told(member_id: &str, sequence: u32, code: &str) -> IssuedAnswer {
    IssuedAnswer {
        member_id: member_id.into(),
        sequence,
        code: code.into(),
        repeated: false,
        requested_us: 0,
        answered_us: 100,
    }
}

fn at(told: IssuedAnswer, requested_us: u64, answered_us: u64) -> IssuedAnswer {
    IssuedAnswer { requested_us, answered_us, ..told }
}

#[test]
fn an_honest_race_has_no_violations() {
    let answers = [told("a", 1, "A"), told("b", 2, "B"), told("a", 1, "A"), told("c", 3, "C")];
    assert_eq!(find_violations(&answers, Some(3)), []);
    assert_eq!(count_distinct(&answers), (3, 3));
}

#[test]
fn nothing_told_breaks_nothing() {
    assert_eq!(find_violations(&[], Some(3)), []);
    assert_eq!(count_distinct(&[]), (0, 0));
}

#[test]
fn a_member_with_two_coupons_is_named() {
    let found = find_violations(&[told("a", 1, "A"), told("a", 2, "B")], None);
    assert!(
        matches!(&found[..], [Violation::AnotherCoupon { member_id, .. }] if member_id == "a"),
        "{found:?}"
    );
}

#[test]
fn another_code_for_the_same_sequence_is_another_coupon() {
    let found = find_violations(&[told("a", 1, "A"), told("a", 1, "X")], None);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), "member a was told two coupons: number 1 (A) and number 1 (X)");
}

#[test]
fn a_sequence_told_to_two_members_is_named_once() {
    let found = find_violations(&[told("a", 1, "A"), told("b", 1, "B"), told("b", 1, "B")], None);
    assert_eq!(found, [Violation::SequenceTwice { sequence: 1, members: ["a".into(), "b".into()] }]);
    assert_eq!(found[0].to_string(), "number 1 was told to two members: a and b");
}

#[test]
fn a_code_told_to_two_members_is_named() {
    let found = find_violations(&[told("a", 1, "A"), told("b", 2, "A")], None);
    assert_eq!(found, [Violation::CodeTwice { code: "A".into(), members: ["a".into(), "b".into()] }]);
}

#[test]
fn a_sequence_outside_of_the_stock_is_named() {
    let found = find_violations(&[told("a", 0, "A"), told("b", 3, "B"), told("c", 4, "C")], Some(3));
    let outside =
        |member: &str, sequence| Violation::OutOfRange { member_id: member.into(), sequence, total: 3 };
    assert_eq!(found, [outside("a", 0), outside("c", 4)]);
}

#[test]
fn requests_that_overlap_may_be_served_in_either_order() {
    let answers = [at(told("a", 2, "A"), 0, 50), at(told("b", 1, "B"), 40, 60)];
    assert_eq!(find_violations(&answers, None), []);
}

#[test]
fn who_asked_after_an_answer_must_stand_behind_it() {
    let answers =
        [at(told("a", 2, "A"), 0, 50), at(told("b", 1, "B"), 51, 60), at(told("c", 3, "C"), 70, 80)];
    let found = find_violations(&answers, None);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].to_string(),
        "member b got number 1, though a had been told number 2 before they asked"
    );
}

#[test]
fn who_held_it_already_may_have_asked_before_elsewhere() {
    let early = at(told("a", 2, "A"), 0, 5);
    let late = at(told("b", 1, "B"), 10, 15);
    let found = find_violations(&[early.clone(), late.clone()], None);
    assert!(matches!(&found[..], [Violation::Overtaken { sequence: 1, .. }]), "{found:?}");
    let repeated = IssuedAnswer { repeated: true, ..late.clone() };
    assert_eq!(find_violations(&[early.clone(), repeated.clone()], None), []);
    // The answer that was the first one counts, in whichever order the two are listed.
    for two in [[late.clone(), repeated.clone()], [repeated, late]] {
        let told = [vec![early.clone()], two.to_vec()].concat();
        assert_eq!(find_violations(&told, None).len(), 1);
    }
}

#[test]
fn being_overtaken_is_seen_across_many_sequences() {
    let mut answers: Vec<IssuedAnswer> = (1..=100)
        .map(|n| at(told(&format!("m{n}"), n, &format!("C{n}")), u64::from(n) * 10, u64::from(n) * 10 + 5))
        .collect();
    assert_eq!(find_violations(&answers, Some(100)), []);
    answers[9] = at(answers[9].clone(), 5_000, 5_005);
    let found = find_violations(&answers, Some(100));
    assert!(matches!(&found[..], [Violation::Overtaken { sequence: 10, .. }]), "{found:?}");
}
