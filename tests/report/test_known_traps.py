"""Every known way in which online experiments go wrong, and the tests that hold it off; those that fit nowhere else."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from statsmodels.api import OLS

from bandstand.chance import bits
from bandstand.configuration import recorded
from bandstand.engine import Engine
from bandstand.events import Decided, ExperimentMoved, Request, Rewarded
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Variant
from bandstand.experiments.metrics import Metric

from .logs import CLICKS, DAY, START, At, check, comparison, earned, experiment, reported, saw, users

TESTS = Path(__file__).parents[1]
TRAPS: dict[str, tuple[str, ...]] = {
    "a hash that ties experiments, scripts or ids together": (
        "experiments/test_assignment.py::test_splits_are_even_and_independent_as_often_as_chance_would_have_it",
        "experiments/test_assignment.py::test_ids_that_join_to_the_same_text_are_told_apart",
        "experiments/test_assignment.py::test_a_millionth_of_all_units_is_a_millionth",
        "experiments/test_assignment.py::test_an_empty_id_is_refused_since_it_is_everybody",
        "experiments/test_growthbook.py::test_characters_beyond_the_first_plane_count_twice_as_in_javascript",
    ),
    "one hash for traffic and variant": (
        "experiments/test_assignment.py::test_taking_part_does_not_depend_on_the_variant",
    ),
    "a ramp that reshuffles, or phases that are pooled": (
        "experiments/test_assignment.py::test_raising_traffic_keeps_everybody_who_took_part_in_place",
        "report/test_phases.py::test_phases_are_not_pooled_whatever_the_method_and_welch_is_refused_in_words",
    ),
    "stickiness that is lost": (
        "experiments/test_trial.py::test_a_unit_keeps_its_first_variant_when_the_weights_change",
        "experiments/test_trial.py::test_a_trial_survives_a_snapshot",
        "experiments/test_in_decisions.py::test_units_of_a_sticky_experiment_stay_when_its_weights_change_and_newcomers_follow_them",
    ),
    "assigned taken for exposed": (
        "test_report.py::test_deferred_slates_count_once_exposed_and_only_what_was_seen",
        "report/test_health.py::test_a_variant_that_loses_more_of_its_exposures_breaks_the_report",
        "experiments/test_tuning.py::test_the_report_of_each_reads_its_own_assignments",
    ),
    "a filter that the treatment trips": ("test_a_filter_that_the_treatment_trips_breaks_the_report",),
    "an uneven, empty or moving split": (
        "stats/test_sample_ratio.py::test_units_in_a_variant_without_weight_are_a_leak_whatever_the_rest",
        "stats/test_sample_ratio.py::test_variants_without_weight_do_not_count_as_degrees_of_freedom",
        "report/test_phases.py::test_a_leak_of_fifteen_percent_is_found",
        "report/test_phases.py::test_fair_splits_under_changing_weights_alarm_in_one_of_a_hundred_at_most_at_alpha_one_percent",
    ),
    "peeking": (
        "report/test_traps.py::test_peeking_at_a_confidence_sequence_errs_with_alpha_and_at_a_fixed_test_far_more_often",
        "report/test_calibration.py::test_a_sequence_alarms_within_alpha_under_a_hundred_looks",
        "report/test_calibration.py::test_a_fair_split_is_seldom_called_foul_though_it_is_looked_at_a_hundred_times",
        "report/test_interleaving.py::test_an_interleaving_of_alike_rankings_alarms_within_alpha_under_a_hundred_looks",
        "report/test_verdict.py::test_alarms_share_the_error_rate",
        "experiments/test_automatic.py::test_what_makes_no_sense_is_refused_with_the_remedy",
    ),
    "impressions taken for users": (
        "report/test_traps.py::test_impressions_are_analysed_by_the_users_who_were_randomised",
        "report/test_metrics.py::test_a_quantile_is_that_of_the_rewards_with_users_as_the_unit",
    ),
    "units that saw both sides, or are one person": (
        "test_report.py::test_users_who_saw_both_variants_are_left_out_and_counted",
        "test_report.py::test_many_users_in_both_variants_withhold_the_verdict",
        "test_report.py::test_who_signs_in_during_a_session_and_sees_the_other_side_is_left_out_of_both",
    ),
    "carry-over from the experiment before": (
        "experiments/test_in_decisions.py::test_a_salt_is_used_once_since_the_same_units_would_meet_again",
        "experiments/test_assignment.py::test_another_salt_splits_anew",
        "test_an_experiment_begins_with_models_that_know_nothing_of_the_one_before",
    ),
    "a trigger that the treatment changes": (
        "report/test_trigger.py::test_a_unit_takes_part_from_the_first_slate_on_that_would_have_differed",
    ),
    "covariates that the treatment changed, or of people who were not there": (
        "report/test_metrics.py::test_what_a_unit_earned_after_its_first_exposure_is_no_covariate",
        "report/test_frozen.py::test_what_units_did_before_the_freeze_is_no_covariate",
        "stats/test_adjust.py::test_a_ratio_is_adjusted_by_the_same_ratio_before",
        "test_who_is_new_is_not_taken_for_somebody_who_did_nothing",
    ),
    "a baseline that is zero or negative": (
        "stats/test_means.py::test_no_lift_is_given_over_a_control_that_may_be_zero",
        "stats/test_means.py::test_lift_keeps_its_sign_over_a_negative_control",
    ),
    "a cap for each arm": (
        "stats/test_winsor.py::test_one_cap_for_all_arms_keeps_an_effect_in_the_tail",
        "report/test_metrics.py::test_a_cap_is_one_quantile_of_all_arms_together",
    ),
    "many comparisons, or metrics added after a look": (
        "report/test_methods.py::test_decision_metrics_share_the_error_rate_by_the_named_method",
        "report/test_verdict.py::test_a_correction_that_changes_the_verdict_is_said",
        "experiments/test_lifecycle.py::test_a_change_that_breaks_a_running_experiment_is_refused_with_the_remedy",
    ),
    "interleaving: shared items": (
        "experiments/test_interleaving.py::test_agreement_in_a_round_is_neutral_only_for_paired_credit",
    ),
    "interleaving: balanced is biased": (
        "experiments/test_interleaving.py::test_balanced_favours_the_ranking_that_has_most_items_a_place_higher",
    ),
    "interleaving: team draft does not see all": (
        "experiments/test_interleaving.py::test_team_draft_cannot_see_what_the_others_see",
    ),
    "interleaving: a coin for a user, pages, lengths, rules and ties": (
        "test_interleaved.py::test_the_coin_is_fresh_for_each_impression_of_a_user",
        "test_interleaved.py::test_a_next_page_goes_on_with_what_is_left_of_both_rankings_and_whose_turn_it_is",
        "experiments/test_interleaving.py::test_a_longer_ranking_fills_the_slate_and_earns_nothing_for_it",
        "test_interleaved.py::test_what_rules_place_stands_in_its_place_and_speaks_for_nobody",
        "test_interleaved.py::test_a_reward_counts_for_the_team_of_its_own_slate",
        "test_report.py::test_rewards_of_items_that_both_would_have_contributed_are_ties",
        "test_report.py::test_interleaving_is_judged_by_user_for_user_preference",
        "report/test_interleaving.py::test_slates_that_begin_too_often_with_one_side_break_the_report",
    ),
    "one model for both arms": (
        "report/test_traps.py::test_one_model_for_both_turns_the_sign_and_is_not_compared_and_isolated_ones_find_the_truth",
        "test_a_late_reward_teaches_the_variant_of_its_decision_and_not_the_one_that_runs_by_then",
    ),
    "rewards that come late": (
        "report/test_metrics.py::test_a_conversion_window_runs_from_each_units_own_first_exposure",
        "report/test_health.py::test_rewards_that_take_longer_than_most_units_are_old_are_pointed_out",
    ),
    "plain means of arms that a bandit filled": (
        "stats/test_adaptive.py::test_under_thompson_sampling_the_sequence_covers_the_truth_at_all_looks",
        "report/test_policy_value.py::test_a_log_without_chance_says_nothing_of_other_policies",
    ),
    "propensities that are not those of the draw": (
        "stats/test_calibration_experiments.py::test_propensities_that_adapt_are_checked_at_their_level",
        "contracts/test_policies.py::test_slates_come_as_often_as_their_propensity_says",
    ),
    "a holdout inside the layers": (
        "experiments/test_assignment.py::test_the_holdout_is_a_share_of_people_independent_of_layers_and_variants",
        "experiments/test_part.py::test_who_is_held_out_takes_part_in_nothing",
    ),
    "sums that cancel and exponents that overflow": (
        "stats/test_moments.py::test_spread_survives_a_huge_mean",
        "stats/test_bayes.py::test_far_from_zero_the_risk_stays_finite",
        "stats/test_sequences.py::test_an_enormous_effect_has_a_p_value_of_zero_and_not_an_overflow",
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_every_known_trap_has_its_tests(trap: str) -> None:
    for each in TRAPS[trap]:
        file, _, name = each.rpartition("::")
        text = ((TESTS / file) if file else Path(__file__)).read_text("utf-8")
        assert f"def {name}(" in text, each


def test_a_filter_that_the_treatment_trips_breaks_the_report() -> None:
    # Who clicks much is taken for a robot and left out: that hides the better variant's best users.
    chance = np.random.default_rng(bits("robots"))
    control, better = chance.poisson(2.0, 1500), chance.poisson(2.6, 1500)
    seen = [users(arm, [n for n in clicks if n <= 3]) for arm, clicks in (("control", control), ("treatment", better))]
    found = reported(experiment(CLICKS, analysis=Analysis("fixed", units=100)), seen[0] + seen[1])
    naive, truth = comparison(found).difference, better.mean() - control.mean()
    assert naive is not None
    assert naive < truth / 2
    assert check(found, "sample ratio")[0] is False
    assert found.verdict.outcome == "broken"
    assert comparison(found).significant is None


def test_who_is_new_is_not_taken_for_somebody_who_did_nothing() -> None:
    # Newcomers have no past and buy much; who was there before and did nothing buys little.
    chance = np.random.default_rng(bits("newcomers"))
    facts: list[At] = []
    rows = []
    for k in range(400):
        arm, user = ("control", "treatment")[k % 2], f"u{k}"
        new, before = bool(chance.random() < 0.5), float(chance.poisson(1.0))
        after = (6.0 if new else before) + float(chance.poisson(1.0)) + k % 2
        if not new:
            facts.append(earned(f"then{k}", user, value=before, at=START - DAY))
        facts += [saw(f"d{k}", arm, user), earned(f"d{k}", user, value=after, at=START + 2)]
        rows.append((k % 2, 0.0 if new else before, float(new), after))
    side, x, new_, y = np.array(rows).T
    one = comparison(reported(experiment(Metric("clicks", "click", covariates=("before",))), facts))
    told = OLS(y, np.column_stack([np.ones(400), side, x, new_])).fit(cov_type="HC2")
    blurred = OLS(y, np.column_stack([np.ones(400), side, x])).fit(cov_type="HC2")
    assert one.std_error == pytest.approx(told.bse[1], rel=0.02)
    assert one.std_error < 0.7 * blurred.bse[1]


AB = Experiment("x", "home", (Variant("a", "default", 0.5), Variant("b", "default", 0.5)), start=True)


def ask(shop: Engine, k: int, now: float) -> Decided:
    return shop.rank(Request("home", now, user=f"user-{k}"), decision=f"d{k} {now}", at=now)


def test_an_experiment_begins_with_models_that_know_nothing_of_the_one_before(shop: Engine, noon: float) -> None:
    shop.commit(recorded(shop.model.state, AB), at=noon)
    for k in range(20):
        ask(shop, k, noon)
    shop.commit([ExperimentMoved("x", "stopped")], at=noon + 10_000)
    shop.commit(recorded(shop.model.state, replace(AB, name="y")), at=noon + 10_001)
    assert all(shop.model.learners[name].learned for name in ("x/a", "x/b"))
    assert {ask(shop, k, noon + 10_002).scored_by for k in range(20)} == {"y/a", "y/b"}
    assert not any(shop.model.learners[name].learned for name in ("y/a", "y/b") if name in shop.model.learners)


def test_a_late_reward_teaches_the_variant_of_its_decision_and_not_the_one_that_runs_by_then(
    shop: Engine, noon: float
) -> None:
    shop.commit(recorded(shop.model.state, AB), at=noon)
    decided = next(one for one in (ask(shop, k, noon) for k in range(20)) if one.teaches == ("x/a",))
    shop.commit([ExperimentMoved("x", "stopped")], at=noon + 1)
    shop.commit(recorded(shop.model.state, replace(AB, name="y")), at=noon + 2)
    shop.commit([Rewarded(decided.decision, "click", 1.0, "home", position=0, item=decided.picks[0].item)], at=noon + 3)
    ask(shop, 99, noon + 100_000)
    learned = {name for name, learner in shop.model.learners.items() if learner.learned}
    assert "x/a" in learned
    assert not {name for name in learned if name.startswith("y/")}
