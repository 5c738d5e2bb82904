import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.diagnostics import diagnostics, gate, heaviest, scores_logged
from bandstand.stats.estimates import ips
from bandstand.stats.moments import Moments
from bandstand.stats.support import certain, drift, partially_identified, unsupported
from bandstand.stats.weights import WeightedSums, importance_weights, inverse_propensities

LOGGING, TARGET = np.array([0.6, 0.4, 0.0]), np.array([0.2, 0.5, 0.3])
RATE = np.array([0.3, 0.5, 0.7])


def test_an_interval_that_allows_for_missing_support_holds_the_truth_where_the_plain_one_does_not(
    rng: np.random.Generator,
) -> None:
    shown = rng.choice(3, p=LOGGING, size=4000)
    sums = WeightedSums.of(rng.binomial(1, RATE[shown]), importance_weights(TARGET[shown], LOGGING[shown]))
    mass = unsupported(np.tile(TARGET, (4000, 1)), np.tile(LOGGING, (4000, 1)))
    plain = ips(sums)
    wide = partially_identified(plain, mass)
    truth = float(TARGET @ RATE)
    assert plain.high < truth
    assert wide.low < truth < wide.high
    # No narrower than Δ·(1 − 0) = 0.3, and no wider than that beside the sampling error.
    assert wide.high - wide.low == pytest.approx(0.3 + plain.high - plain.low)


def test_rewards_below_zero_widen_the_lower_end() -> None:
    mass = Moments.of([0.25, 0.25])
    plain = ips(WeightedSums.of([1.0, -1.0, 0.0], [1.0, 0.5, 1.0]))
    wide = partially_identified(plain, mass, reward_range=(-2.0, 1.0))
    assert (wide.low, wide.high) == pytest.approx((plain.low - 0.5, plain.high + 0.25))


def test_a_deterministic_logger_shows_without_its_whole_policy() -> None:
    # It showed for sure what the target shows in 30 % and 100 % of cases: 70 % and nothing are lost.
    assert unsupported([0.3, 1.0, 0.5], [1.0, 1.0, 0.5]).mean == pytest.approx(0.7 / 3)
    assert certain([1.0, 1.0, 0.5]) == pytest.approx(2 / 3)


def test_a_logger_that_never_explored_is_named_as_the_reason() -> None:
    rewards, target = np.tile([1.0, 0.0], 200), np.tile([1.0, 0.0, 1.0, 1.0], 100)
    logging = np.ones(400)
    sums = WeightedSums.of(rewards, importance_weights(target, logging))
    found = diagnostics(sums, unsupported=unsupported(target, logging), certain=certain(logging))
    reasons = " ".join(gate(found))
    assert "never could, above 1%" in reasons
    assert "did not explore" in reasons


def test_the_logger_itself_is_believed_though_it_never_explored() -> None:
    sums = WeightedSums.of(np.tile([1.0, 0.0], 200), np.ones(400))
    found = diagnostics(sums, unsupported=unsupported(np.ones(400), np.ones(400)), certain=1.0)
    assert gate(found) == ()


def test_scores_in_place_of_probabilities_are_noticed_though_weights_average_one(rng: np.random.Generator) -> None:
    scores = np.array([0.9, 0.6, 0.3])
    pmf = scores / scores.sum()
    shown = rng.choice(3, p=pmf, size=5000)
    for logged, wrong in ((pmf, False), (scores, True)):
        sums = WeightedSums.of(np.ones(5000), np.ones(5000))
        found = diagnostics(sums, inverse_propensities=inverse_propensities(logged[shown], 3))
        assert scores_logged(found) is wrong


def test_the_effective_size_of_the_rewarded_rows_is_their_own() -> None:
    found = diagnostics(WeightedSums.of([1.0, 0.0, 1.0, 0.0], [3.0, 1.0, 1.0, 1.0]))
    assert found.rewarded_ess == pytest.approx((3 + 1) ** 2 / (9 + 1))  # Kish, of weights 3 and 1


def test_the_heaviest_rows_are_named_with_their_owners() -> None:
    found = heaviest([1.0, 5.0, 0.0, 4.0], owners=["a", "b", "c", "b"], rows=2)
    assert [(each.row, each.owner, each.share) for each in found] == [(1, "b", 0.5), (3, "b", 0.4)]
    assert heaviest([], rows=3) == ()
    with pytest.raises(InputError, match="must be one for each of 2 rows"):
        heaviest([1.0, 2.0], owners=["a"])


def test_drift_is_that_of_cochrans_homogeneity_test(rng: np.random.Generator) -> None:
    parts = [Moments.of(rng.normal(size=100)) for _ in range(4)]
    means, precision = np.array([p.mean for p in parts]), np.array([p.std_error**-2 for p in parts])
    found = drift(parts)
    assert found.chi2 == pytest.approx(float(precision @ means**2 - (precision @ means) ** 2 / precision.sum()))
    assert found.df == 3


def test_a_day_with_wrong_propensities_stands_out(rng: np.random.Generator) -> None:
    days = []
    for day in range(5):
        shown = rng.choice(2, p=[0.75, 0.25], size=2000)
        logged = np.array([0.75, 0.25]) if day != 3 else np.array([0.5, 0.5])
        days.append(Moments.of(importance_weights(np.array([0.2, 0.8])[shown], logged[shown])))
    found = drift(days, expected=1.0)
    assert found.p_value < 1e-6
    assert found.farthest == 3


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([Moments.of([1.0, 2.0])], "must be >= 2"),
        ([Moments.of([1.0, 1.0])] * 2, "standard error of part of row 0 is 0"),
    ],
)
def test_parts_without_a_comparison_are_refused(parts: list[Moments], message: str) -> None:
    with pytest.raises(InputError, match=message):
        drift(parts)


@pytest.mark.parametrize(
    ("target", "message"), [([1.5], "must be >= 0"), ([float("nan")], "target propensity of row 0")]
)
def test_impossible_probabilities_are_refused(target: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        unsupported(target, [1.0])
