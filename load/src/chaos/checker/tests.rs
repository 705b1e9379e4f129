//! Histories written by hand: one that violates no invariant, and for each invariant one that violates it.

use super::{Evidence, Row, judge};
use crate::chaos::history::{Call, Op, Outcome, Rejection};

const COUPON: &str = "drop";

/// A run as a story: each line is one request or row.
#[derive(Default)]
struct Story(Evidence);

fn code(sequence: u32) -> String {
    format!("CODE-{sequence}")
}

fn told(newly: bool, sequence: u32) -> Outcome {
    Outcome::Issued { newly, sequence, code: code(sequence).into() }
}

impl Story {
    /// A story of one coupon with this total, created in the first second.
    fn of(total: u32) -> Self {
        Self(Evidence { started_at_ms: 1_000_000, ..Evidence::default() }).op(
            Call::Create(total),
            "",
            0.0,
            1.0,
            Outcome::Done,
        )
    }

    fn op(mut self, call: Call, member: &str, asked_s: f64, answered_s: f64, outcome: Outcome) -> Self {
        let us = |seconds: f64| (seconds * 1e6) as u64;
        self.0.ops.push(Op {
            id: self.0.ops.len() as u64,
            client: 0,
            call,
            coupon: COUPON.into(),
            member: member.into(),
            node: 0,
            sent_us: us(asked_s),
            answered_us: us(answered_s),
            outcome,
        });
        self
    }

    fn asks(self, member: &str, asked_s: f64, outcome: Outcome) -> Self {
        self.op(Call::Issue, member, asked_s, asked_s + 0.1, outcome)
    }

    fn row(mut self, sequence: u32, member: &str, issued_s: f64) -> Self {
        self.0.rows.push(Row {
            coupon: COUPON.to_owned(),
            sequence,
            member: member.to_owned(),
            code: code(sequence),
            issued_at_ms: 1_000_000 + (issued_s * 1_000.0) as u64,
        });
        self
    }

    /// A member who is issued a coupon, with the row.
    fn wins(self, member: &str, sequence: u32, asked_s: f64) -> Self {
        self.asks(member, asked_s, told(true, sequence)).row(sequence, member, asked_s + 0.05)
    }

    fn violated(&self) -> Vec<&'static str> {
        let mut promises: Vec<_> = judge(&self.0).violations.iter().map(|found| found.promise).collect();
        promises.dedup();
        promises
    }
}

/// Two of two coupons are issued, one of them confirmed twice; a third member is rejected before and after an outage.
fn honest() -> Story {
    Story::of(2)
        .wins("kim", 1, 2.0)
        .asks("kim", 3.0, told(false, 1))
        .asks("lee", 3.0, Outcome::Unknown("timed_out".into()))
        .row(2, "lee", 3.05)
        .asks("max", 3.5, Outcome::Rejected(Rejection::SoldOut))
        .asks("lee", 4.0, told(false, 2))
        .op(Call::LookUp, "max", 5.0, 5.1, Outcome::Rejected(Rejection::NotIssued))
        .asks("nia", 6.0, Outcome::Unknown("recovering".into()))
}

#[test]
fn an_honest_run_violates_no_invariant() {
    assert_eq!(honest().violated(), Vec::<&str>::new());
}

#[test]
fn a_hole_in_the_sequences_is_found() {
    let story = Story::of(9).wins("kim", 1, 2.0).wins("lee", 3, 3.0);
    assert_eq!(story.violated(), ["sequences_are_dense"]);
}

#[test]
fn more_rows_than_the_total_are_found() {
    let story = Story::of(1).wins("kim", 1, 2.0).wins("lee", 2, 3.0);
    assert_eq!(story.violated(), ["never_more_than_the_total"]);
    let raised = Story::of(1).wins("kim", 1, 2.0).op(
        Call::Raise(2),
        "",
        2.5,
        2.6,
        Outcome::Unknown("timed_out".into()),
    );
    assert_eq!(
        raised.wins("lee", 2, 3.0).violated(),
        Vec::<&str>::new(),
        "an unanswered raise may have worked"
    );
}

#[test]
fn two_rows_of_a_member_or_of_a_code_are_found() {
    let twice = Story::of(9).wins("kim", 1, 2.0).row(2, "kim", 3.0);
    assert_eq!(twice.violated(), ["one_coupon_a_member"]);
    let mut copied = Story::of(9).wins("kim", 1, 2.0).wins("lee", 2, 3.0);
    copied.0.rows[1].code = code(1);
    assert_eq!(copied.violated(), ["one_row_a_code", "told_is_in_the_database"]);
}

#[test]
fn a_row_without_a_request_is_found() {
    assert_eq!(Story::of(9).row(1, "ghost", 2.0).violated(), ["issued_only_to_who_asks"]);
    let early = Story::of(9).asks("kim", 5.0, told(true, 1)).row(1, "kim", 2.0);
    assert_eq!(early.violated(), ["issued_only_to_who_asks"]);
}

#[test]
fn another_coupon_at_the_second_click_is_found() {
    let story = Story::of(9).wins("kim", 1, 2.0).wins("lee", 2, 2.5).asks("kim", 3.0, told(false, 2));
    assert_eq!(story.violated(), ["the_same_coupon_again"]);
}

#[test]
fn an_issued_answer_without_its_row_is_found() {
    let lost = Story::of(9).wins("kim", 1, 2.0).asks("lee", 3.0, told(true, 2));
    assert_eq!(lost.violated(), ["told_is_in_the_database"]);
    let other =
        Story::of(9).asks("kim", 2.0, told(true, 1)).asks("lee", 2.0, Outcome::Unknown("lost".into()));
    assert_eq!(other.row(1, "lee", 2.05).violated(), ["told_is_in_the_database"]);
    let moved = Story::of(9).asks("kim", 2.0, told(true, 2)).row(1, "kim", 2.05);
    assert_eq!(moved.violated(), ["told_is_in_the_database"]);
}

#[test]
fn being_overtaken_is_found() {
    let story = Story::of(9).wins("kim", 2, 2.0).wins("lee", 1, 3.0);
    assert_eq!(story.violated(), ["first_come_first_served"]);
    let together = Story::of(9).wins("kim", 2, 2.0).wins("lee", 1, 2.05);
    assert_eq!(together.violated(), Vec::<&str>::new(), "at the same time either may be first");
    // A repeated answer may be for an issuance long before the request.
    let again = Story::of(9).asks("lee", 1.5, Outcome::Unknown("lost".into())).row(1, "lee", 1.55);
    let again = again.wins("kim", 2, 2.0).asks("lee", 3.0, told(false, 1));
    assert_eq!(again.violated(), Vec::<&str>::new());
}

#[test]
fn a_rejected_holder_is_found() {
    for no in [Rejection::SoldOut, Rejection::NotIssued, Rejection::Closed] {
        let issued_before = Story::of(1).wins("kim", 1, 2.0).asks("kim", 3.0, Outcome::Rejected(no));
        assert_eq!(issued_before.violated(), ["unknown_never_becomes_no"], "{no:?}");
        let unknown_before = Story::of(1).asks("kim", 2.0, Outcome::Unknown("timed_out".into()));
        let unknown_before = unknown_before.row(1, "kim", 2.05).asks("kim", 3.0, Outcome::Rejected(no));
        assert_eq!(unknown_before.violated(), ["unknown_never_becomes_no"], "{no:?}");
    }
}

#[test]
fn a_rejected_holder_right_after_a_raise_is_found_too() {
    let story = Story::of(1)
        .wins("kim", 1, 2.0)
        .op(Call::Raise(2), "", 3.0, 3.1, Outcome::Done)
        .wins("lee", 2, 3.15)
        .asks("lee", 3.3, Outcome::Rejected(Rejection::SoldOut));
    assert_eq!(story.violated(), ["unknown_never_becomes_no"]);
}

#[test]
fn sold_out_while_some_are_left_is_found() {
    let story = Story::of(2).wins("kim", 1, 2.0).asks("max", 3.0, Outcome::Rejected(Rejection::SoldOut));
    assert_eq!(story.violated(), ["none_is_stranded"]);
    let later = Story::of(2)
        .wins("kim", 1, 2.0)
        .asks("max", 3.0, Outcome::Rejected(Rejection::SoldOut))
        .wins("lee", 2, 4.0);
    assert_eq!(later.violated(), ["none_is_stranded"], "selling out afterwards is no excuse");
    let raised = Story::of(1).wins("kim", 1, 2.0).op(Call::Raise(2), "", 3.0, 3.1, Outcome::Done);
    let during = raised.asks("max", 3.05, Outcome::Rejected(Rejection::SoldOut));
    assert_eq!(
        during.violated(),
        Vec::<&str>::new(),
        "before the operator is answered the raise may not have happened"
    );
    let after = during.asks("max", 3.2, Outcome::Rejected(Rejection::SoldOut));
    assert_eq!(after.violated(), ["none_is_stranded"]);
}

#[test]
fn denying_a_coupon_that_exists_is_found() {
    let story = Story::of(2).asks("kim", 2.0, Outcome::Rejected(Rejection::NoSuchCoupon));
    assert_eq!(story.violated(), ["no_is_true"]);
    let early = Story::of(2).asks("kim", 0.5, Outcome::Rejected(Rejection::NoSuchCoupon));
    assert_eq!(early.violated(), Vec::<&str>::new(), "it may not have existed yet");
    assert_eq!(
        Story::of(2).asks("kim", 2.0, Outcome::Rejected(Rejection::Closed)).violated(),
        ["no_is_true"]
    );
}

#[test]
fn unexplained_letters_and_contradictions_are_found() {
    let mut dead = honest();
    dead.0.dead_letters = vec!["poison".to_owned()];
    assert_eq!(dead.violated(), ["dead_letters_are_explained"]);
    dead.0.planted_poison = vec!["poison".to_owned()];
    assert_eq!(dead.violated(), Vec::<&str>::new());
    dead.0.dead_letters.push("poison".to_owned());
    assert_eq!(dead.violated(), Vec::<&str>::new(), "copies are the same letter");
    dead.0.dead_letters = vec!["another".to_owned(), "poison".to_owned()];
    assert_eq!(dead.violated(), ["dead_letters_are_explained"], "as many, but not the same");
    dead.0.dead_letters.clear();
    assert_eq!(dead.violated(), ["dead_letters_are_explained"], "poison must not vanish");

    let ghost = (COUPON.to_owned(), 1, "ghost".to_owned());
    let mut contradicted = honest();
    contradicted.0.conflicts.push(ghost.clone());
    assert_eq!(contradicted.violated(), ["nothing_contradicts"]);
    contradicted.0.planted_conflicts.push(ghost);
    assert_eq!(contradicted.violated(), Vec::<&str>::new());
    contradicted.0.conflicts.clear();
    assert_eq!(contradicted.violated(), ["contradictions_are_kept"]);
}

#[test]
fn an_answer_outside_the_contract_is_found() {
    let story = honest().asks("kim", 9.0, Outcome::Unexpected("500: oh".into()));
    assert_eq!(story.violated(), ["answers_are_in_the_contract"]);
}

#[test]
fn answers_for_a_sold_out_coupon_in_an_outage_are_counted() {
    let mut story = honest()
        .asks("ora", 7.0, Outcome::Rejected(Rejection::SoldOut))
        .asks("pia", 7.2, Outcome::Unknown("recovering".into()))
        .asks("kim", 7.4, Outcome::Unknown("recovering".into()))
        .asks("quy", 7.6, Outcome::Unknown("unreachable".into()))
        .asks("rio", 9.0, Outcome::Unknown("recovering".into()));
    story.0.faults_us = vec![(6_900_000, 8_000_000)];
    let liveness = judge(&story.0).sold_out_during_faults;
    assert_eq!((liveness.sold_out, liveness.not_now, liveness.no_answer), (1, 1, 1), "{liveness:?}");
}
