//! Histories written by hand: one that violates no invariant, and for each invariant one that violates it.

use super::{Evidence, Row, judge};
use crate::chaos::history::{Call, Op, Outcome, Rejection};

const COUPON: &str = "drop";

/// The evidence of a run, built from requests and rows.
#[derive(Default)]
struct TestRun(Evidence);

fn code(sequence: u32) -> String {
    format!("CODE-{sequence}")
}

fn issued(newly: bool, sequence: u32) -> Outcome {
    Outcome::Issued { newly, sequence, code: code(sequence).into() }
}

impl TestRun {
    /// A run with one coupon with this total, created in the first second.
    fn of(total: u32) -> Self {
        Self(Evidence { started_at_ms: 1_000_000, ..Evidence::default() }).op(
            Call::Create(total),
            "",
            0.0,
            1.0,
            Outcome::Done,
        )
    }

    fn op(mut self, call: Call, member: &str, sent_s: f64, answered_s: f64, outcome: Outcome) -> Self {
        let us = |seconds: f64| (seconds * 1e6) as u64;
        self.0.ops.push(Op {
            id: self.0.ops.len() as u64,
            client: 0,
            call,
            coupon: COUPON.into(),
            member: member.into(),
            node: 0,
            sent_us: us(sent_s),
            answered_us: us(answered_s),
            outcome,
        });
        self
    }

    fn requests(self, member: &str, sent_s: f64, outcome: Outcome) -> Self {
        self.op(Call::Issue, member, sent_s, sent_s + 0.1, outcome)
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

    /// A request that is issued a coupon, and its row.
    fn issues(self, member: &str, sequence: u32, sent_s: f64) -> Self {
        self.requests(member, sent_s, issued(true, sequence)).row(sequence, member, sent_s + 0.05)
    }

    fn violated_invariants(&self) -> Vec<&'static str> {
        let mut promises: Vec<_> = judge(&self.0).violations.iter().map(|found| found.promise).collect();
        promises.dedup();
        promises
    }
}

/// Two of two coupons are issued, one of them confirmed twice; a third member is rejected before and after an outage.
fn correct_run() -> TestRun {
    TestRun::of(2)
        .issues("kim", 1, 2.0)
        .requests("kim", 3.0, issued(false, 1))
        .requests("lee", 3.0, Outcome::Unknown("timed_out".into()))
        .row(2, "lee", 3.05)
        .requests("max", 3.5, Outcome::Rejected(Rejection::SoldOut))
        .requests("lee", 4.0, issued(false, 2))
        .op(Call::LookUp, "max", 5.0, 5.1, Outcome::Rejected(Rejection::NotIssued))
        .requests("nia", 6.0, Outcome::Unknown("recovering".into()))
}

#[test]
fn a_correct_run_violates_no_invariant() {
    assert_eq!(correct_run().violated_invariants(), Vec::<&str>::new());
}

#[test]
fn a_hole_in_the_sequences_is_found() {
    let run = TestRun::of(9).issues("kim", 1, 2.0).issues("lee", 3, 3.0);
    assert_eq!(run.violated_invariants(), ["sequences_are_dense"]);
}

#[test]
fn more_rows_than_the_total_are_found() {
    let run = TestRun::of(1).issues("kim", 1, 2.0).issues("lee", 2, 3.0);
    assert_eq!(run.violated_invariants(), ["never_more_than_the_total"]);
    let raised = TestRun::of(1).issues("kim", 1, 2.0).op(
        Call::Raise(2),
        "",
        2.5,
        2.6,
        Outcome::Unknown("timed_out".into()),
    );
    assert_eq!(
        raised.issues("lee", 2, 3.0).violated_invariants(),
        Vec::<&str>::new(),
        "an unanswered raise may have worked"
    );
}

#[test]
fn two_rows_of_a_member_or_of_a_code_are_found() {
    let twice = TestRun::of(9).issues("kim", 1, 2.0).row(2, "kim", 3.0);
    assert_eq!(twice.violated_invariants(), ["one_issuance_per_member"]);
    let mut copied = TestRun::of(9).issues("kim", 1, 2.0).issues("lee", 2, 3.0);
    copied.0.rows[1].code = code(1);
    assert_eq!(copied.violated_invariants(), ["one_row_per_code", "issued_is_in_the_database"]);
}

#[test]
fn a_row_without_a_request_is_found() {
    assert_eq!(TestRun::of(9).row(1, "ghost", 2.0).violated_invariants(), ["issued_only_on_request"]);
    let early = TestRun::of(9).requests("kim", 5.0, issued(true, 1)).row(1, "kim", 2.0);
    assert_eq!(early.violated_invariants(), ["issued_only_on_request"]);
}

#[test]
fn another_issuance_for_a_repeated_request_is_found() {
    let run =
        TestRun::of(9).issues("kim", 1, 2.0).issues("lee", 2, 2.5).requests("kim", 3.0, issued(false, 2));
    assert_eq!(run.violated_invariants(), ["the_same_issuance_again"]);
}

#[test]
fn an_issued_answer_without_its_row_is_found() {
    let lost = TestRun::of(9).issues("kim", 1, 2.0).requests("lee", 3.0, issued(true, 2));
    assert_eq!(lost.violated_invariants(), ["issued_is_in_the_database"]);
    let other = TestRun::of(9).requests("kim", 2.0, issued(true, 1)).requests(
        "lee",
        2.0,
        Outcome::Unknown("lost".into()),
    );
    assert_eq!(other.row(1, "lee", 2.05).violated_invariants(), ["issued_is_in_the_database"]);
    let moved = TestRun::of(9).requests("kim", 2.0, issued(true, 2)).row(1, "kim", 2.05);
    assert_eq!(moved.violated_invariants(), ["issued_is_in_the_database"]);
}

#[test]
fn a_smaller_sequence_for_a_later_request_is_found() {
    let run = TestRun::of(9).issues("kim", 2, 2.0).issues("lee", 1, 3.0);
    assert_eq!(run.violated_invariants(), ["first_come_first_served"]);
    let together = TestRun::of(9).issues("kim", 2, 2.0).issues("lee", 1, 2.05);
    assert_eq!(together.violated_invariants(), Vec::<&str>::new(), "at the same time either may be first");
    // A repeated answer may be for an issuance long before the request.
    let again = TestRun::of(9).requests("lee", 1.5, Outcome::Unknown("lost".into())).row(1, "lee", 1.55);
    let again = again.issues("kim", 2, 2.0).requests("lee", 3.0, issued(false, 1));
    assert_eq!(again.violated_invariants(), Vec::<&str>::new());
}

#[test]
fn a_rejected_holder_is_found() {
    for rejection in [Rejection::SoldOut, Rejection::NotIssued, Rejection::Closed] {
        let issued_before =
            TestRun::of(1).issues("kim", 1, 2.0).requests("kim", 3.0, Outcome::Rejected(rejection));
        assert_eq!(issued_before.violated_invariants(), ["no_holder_is_rejected"], "{rejection:?}");
        let unknown_before = TestRun::of(1).requests("kim", 2.0, Outcome::Unknown("timed_out".into()));
        let unknown_before =
            unknown_before.row(1, "kim", 2.05).requests("kim", 3.0, Outcome::Rejected(rejection));
        assert_eq!(unknown_before.violated_invariants(), ["no_holder_is_rejected"], "{rejection:?}");
    }
}

#[test]
fn a_rejected_holder_right_after_a_raise_is_found_too() {
    let run = TestRun::of(1)
        .issues("kim", 1, 2.0)
        .op(Call::Raise(2), "", 3.0, 3.1, Outcome::Done)
        .issues("lee", 2, 3.15)
        .requests("lee", 3.3, Outcome::Rejected(Rejection::SoldOut));
    assert_eq!(run.violated_invariants(), ["no_holder_is_rejected"]);
}

#[test]
fn sold_out_while_some_are_left_is_found() {
    let run =
        TestRun::of(2).issues("kim", 1, 2.0).requests("max", 3.0, Outcome::Rejected(Rejection::SoldOut));
    assert_eq!(run.violated_invariants(), ["sold_out_only_without_stock"]);
    let later = TestRun::of(2)
        .issues("kim", 1, 2.0)
        .requests("max", 3.0, Outcome::Rejected(Rejection::SoldOut))
        .issues("lee", 2, 4.0);
    assert_eq!(later.violated_invariants(), ["sold_out_only_without_stock"], "it sold out only afterwards");
    let raised = TestRun::of(1).issues("kim", 1, 2.0).op(Call::Raise(2), "", 3.0, 3.1, Outcome::Done);
    let during = raised.requests("max", 3.05, Outcome::Rejected(Rejection::SoldOut));
    assert_eq!(
        during.violated_invariants(),
        Vec::<&str>::new(),
        "before the operator is answered the raise may not have happened"
    );
    let after = during.requests("max", 3.2, Outcome::Rejected(Rejection::SoldOut));
    assert_eq!(after.violated_invariants(), ["sold_out_only_without_stock"]);
}

#[test]
fn denying_a_coupon_that_exists_is_found() {
    let run = TestRun::of(2).requests("kim", 2.0, Outcome::Rejected(Rejection::NoSuchCoupon));
    assert_eq!(run.violated_invariants(), ["rejections_are_true"]);
    let early = TestRun::of(2).requests("kim", 0.5, Outcome::Rejected(Rejection::NoSuchCoupon));
    assert_eq!(early.violated_invariants(), Vec::<&str>::new(), "it may not have existed yet");
    assert_eq!(
        TestRun::of(2).requests("kim", 2.0, Outcome::Rejected(Rejection::Closed)).violated_invariants(),
        ["rejections_are_true"]
    );
}

#[test]
fn unexplained_letters_and_contradictions_are_found() {
    let mut dead = correct_run();
    dead.0.dead_letters = vec!["unreadable".to_owned()];
    assert_eq!(dead.violated_invariants(), ["dead_letters_are_explained"]);
    dead.0.planted_unreadable = vec!["unreadable".to_owned()];
    assert_eq!(dead.violated_invariants(), Vec::<&str>::new());
    dead.0.dead_letters.push("unreadable".to_owned());
    assert_eq!(dead.violated_invariants(), Vec::<&str>::new(), "copies are the same letter");
    dead.0.dead_letters = vec!["another".to_owned(), "unreadable".to_owned()];
    assert_eq!(dead.violated_invariants(), ["dead_letters_are_explained"], "as many, but not the same");
    dead.0.dead_letters.clear();
    assert_eq!(dead.violated_invariants(), ["dead_letters_are_explained"], "a dead letter must not vanish");

    let ghost = (COUPON.to_owned(), 1, "ghost".to_owned());
    let mut contradicted = correct_run();
    contradicted.0.conflicts.push(ghost.clone());
    assert_eq!(contradicted.violated_invariants(), ["nothing_contradicts"]);
    contradicted.0.planted_conflicts.push(ghost);
    assert_eq!(contradicted.violated_invariants(), Vec::<&str>::new());
    contradicted.0.conflicts.clear();
    assert_eq!(contradicted.violated_invariants(), ["conflicts_are_kept"]);
}

#[test]
fn an_answer_outside_the_contract_is_found() {
    let run = correct_run().requests("kim", 9.0, Outcome::Unexpected("500: oh".into()));
    assert_eq!(run.violated_invariants(), ["answers_are_in_the_contract"]);
}

#[test]
fn answers_for_a_sold_out_coupon_in_an_outage_are_counted() {
    let mut run = correct_run()
        .requests("ora", 7.0, Outcome::Rejected(Rejection::SoldOut))
        .requests("pia", 7.2, Outcome::Unknown("recovering".into()))
        .requests("kim", 7.4, Outcome::Unknown("recovering".into()))
        .requests("quy", 7.6, Outcome::Unknown("unreachable".into()))
        .requests("rio", 9.0, Outcome::Unknown("recovering".into()));
    run.0.faults_us = vec![(6_900_000, 8_000_000)];
    let liveness = judge(&run.0).sold_out_during_faults;
    assert_eq!((liveness.sold_out, liveness.not_now, liveness.no_answer), (1, 1, 1), "{liveness:?}");
}
