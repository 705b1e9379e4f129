//! What an engine brings to be tested, and the macro that makes every case a test of its own for it.

use std::sync::Arc;

use async_trait::async_trait;
use openrun::domain::Coupon;
use openrun::ports::AdmissionEngine;

/// One engine, all alone: it knows no coupon yet, and no other test shares its data or its revision.
///
/// Whatever keeps it alive (a temporary directory, a server process) lives in the fixture and goes with it.
#[async_trait]
pub(crate) trait Fixture: Send + Sync {
    /// The engine as the first node has it.
    fn engine(&self) -> Arc<dyn AdmissionEngine>;

    /// The same truth as another node has it: over connections of its own, where the engine allows more than one.
    fn second_node_engine(&self) -> Arc<dyn AdmissionEngine> {
        self.engine()
    }

    /// Makes a new coupon known as the service does it: in the catalogue first if that is where the engine keeps it,
    /// then in the engine.
    async fn introduce(&self, coupon: &Coupon) {
        self.engine().load(coupon).await.expect("a new coupon is loaded");
    }

    /// Lets the engine die without a goodbye, keeping only what survives that, and brings it back, so that after
    /// [`Fixture::recover`] it serves again. Called while no request is under way. Handles from before need not work any
    /// more.
    async fn reopen(&mut self);

    /// Makes an engine that came back be trusted again for `coupon`, of which `rows` are known to be issued. One that
    /// shares the database's fate needs nothing.
    async fn recover(&self, _coupon: &Coupon, _rows: u32) {}
}

/// `engine_contract!(embedded, crate::embedded::fixture)` tests the engine that `async fn fixture() -> impl Fixture`
/// gives, in a module of that name.
macro_rules! engine_contract {
    ($engine:ident, $fixture:path) => {
        mod $engine {
            $crate::suite::contract_cases! { $fixture;
                issuing: [
                    exactly_the_total_is_issued_with_dense_sequences,
                    whoever_is_answered_before_another_asks_has_the_smaller_sequence,
                    later_sequences_never_have_earlier_times,
                    many_coupons_do_not_disturb_each_other,
                    loading_is_idempotent_and_keeps_what_is_issued,
                ],
                idempotence: [
                    a_second_ask_gives_the_same_grant,
                    a_holder_gets_the_same_grant_in_every_state,
                    asking_again_changes_nothing,
                ],
                window: [
                    the_window_is_kept_by_the_engines_own_clock,
                    a_paused_coupon_resumes,
                    a_closed_coupon_issues_nothing,
                    what_is_final_is_said_first,
                ],
                reconfiguration: [
                    a_raised_total_issues_exactly_the_extra_ones,
                    a_total_below_issued_is_refused_and_changes_nothing,
                    a_total_down_to_issued_sells_it_out,
                    a_window_is_frozen_once_issuing_has_started,
                    a_window_may_move_before_that,
                    a_closed_coupon_stays_closed,
                    the_revision_grows_with_changes_and_not_with_issuing,
                ],
                batches: [
                    a_batch_is_served_in_its_order,
                    a_member_twice_in_a_batch_gets_one_coupon,
                    a_batch_across_the_ceiling_is_answered_member_by_member,
                    an_empty_batch_tells_the_standing,
                    the_largest_batch_is_served,
                    hostile_ids_are_just_ids,
                ],
                concurrency: [
                    ten_thousand_members_at_once_get_a_thousand_coupons,
                    one_member_on_many_nodes_at_once_gets_one_coupon,
                    callers_who_go_away_leave_the_engine_well,
                    raising_the_total_during_the_rush_strands_nothing,
                ],
                winners: [
                    the_pages_hold_all_winners_and_nobody_else,
                    a_coupon_nobody_holds_has_no_winners,
                    finding_somebody_without_one_finds_nothing,
                ],
                holders: [
                    the_pages_tell_what_each_holder_was_told,
                    whoever_held_one_before_the_first_page_is_on_one_while_others_get_theirs,
                    every_coupon_it_keeps_by_itself_is_told,
                ],
                unknown: [every_question_about_an_unknown_coupon_says_so],
                crash: [what_was_answered_survives, issuing_goes_on_where_it_was, changes_of_operators_survive],
                property: [any_sequence_of_steps_does_what_the_model_does],
            }
        }
    };
}

/// Makes one test a case.
macro_rules! contract_cases {
    ($fixture:path; $($theme:ident: [$($case:ident),+ $(,)?]),+ $(,)?) => {
        $(mod $theme {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    let mut fixture = $fixture().await;
                    $crate::cases::$theme::$case(&mut fixture).await;
                }
            )+
        })+
    };
}

pub(crate) use contract_cases;
pub(crate) use engine_contract;
