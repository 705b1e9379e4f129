//! The fixture of an engine under test, and the macros that turn every case into a test.

use std::sync::Arc;

use async_trait::async_trait;
use openrun::domain::Coupon;
use openrun::ports::AdmissionEngine;

/// An engine without coupons, whose data and revision no other test shares.
///
/// The fixture owns the engine's resources, such as a temporary directory or a server process.
#[async_trait]
pub(crate) trait Fixture: Send + Sync {
    /// The engine of the first node.
    fn engine(&self) -> Arc<dyn AdmissionEngine>;

    /// The engine of a second node on the same data, with its own connections if the engine allows several nodes.
    fn second_node_engine(&self) -> Arc<dyn AdmissionEngine> {
        self.engine()
    }

    /// Adds a new coupon as the service does: to the catalogue first if the engine needs it there, then to the engine.
    async fn introduce(&self, coupon: &Coupon) {
        self.engine().load(coupon).await.expect("a new coupon is loaded");
    }

    /// Crashes the engine and restarts it from its surviving data. It serves again after [`Fixture::recover`]. Called
    /// while no request is in flight. Earlier handles may stop working.
    async fn reopen(&mut self);

    /// Verifies a restarted engine for `coupon`, of which the database has `rows` issuances. An engine inside the
    /// database needs no verification.
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
                    an_earlier_answer_has_a_smaller_sequence,
                    later_sequences_never_have_earlier_times,
                    many_coupons_do_not_disturb_each_other,
                    loading_is_idempotent_and_keeps_what_is_issued,
                ],
                idempotence: [
                    a_repeated_request_gives_the_same_grant,
                    a_holder_gets_the_same_grant_in_every_state,
                    a_repeated_request_changes_nothing,
                ],
                window: [
                    the_sale_period_follows_the_engines_clock,
                    a_paused_coupon_resumes,
                    a_closed_coupon_issues_nothing,
                    final_rejections_come_before_temporary_ones,
                ],
                reconfiguration: [
                    a_raised_total_issues_exactly_the_extra_ones,
                    a_total_below_issued_is_refused_and_changes_nothing,
                    a_total_lowered_to_issued_sells_out,
                    a_sale_period_is_frozen_once_issuing_has_started,
                    a_sale_period_may_change_before_issuing,
                    a_closed_coupon_stays_closed,
                    the_revision_grows_with_changes_and_not_with_issuing,
                ],
                batches: [
                    a_batch_is_served_in_its_order,
                    a_member_twice_in_a_batch_gets_one_coupon,
                    a_batch_larger_than_the_stock_is_answered_member_by_member,
                    an_empty_batch_gives_the_standing,
                    the_largest_batch_is_served,
                    hostile_ids_are_ordinary_ids,
                ],
                concurrency: [
                    ten_thousand_members_at_once_get_a_thousand_coupons,
                    one_member_on_many_nodes_at_once_gets_one_coupon,
                    cancelled_calls_do_not_harm_the_engine,
                    a_total_raised_under_load_is_issued_completely,
                ],
                holders: [
                    the_pages_contain_exactly_the_holders,
                    a_coupon_without_issuances_has_no_holders,
                    finding_a_member_without_an_issuance_gives_none,
                    the_pages_agree_with_the_verdicts,
                    earlier_holders_are_on_the_pages_while_others_are_added,
                    an_engine_with_its_own_coupons_lists_all_of_them,
                ],
                unknown: [every_call_reports_an_unknown_coupon],
                crash: [answers_survive_a_crash, issuing_continues_after_a_crash, changes_of_operators_survive_a_crash],
                property: [any_sequence_of_steps_agrees_with_the_model],
            }
        }
    };
}

/// Creates one test per case.
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
