from itertools import product

import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.coin_sequence import coin_sequence
from bandstand.stats.mixture import best_rho, log_mixture

FAIR = [0.5, 0.0, 0.5]


def test_the_evidence_has_mean_one_over_all_ways_in_which_the_coins_can_fall(rng: np.random.Generator) -> None:
    # p is 1/M wherever M is above 1, and P(M >= 1/p) <= p: every level is kept exactly, for seven uneven coins.
    chances = rng.dirichlet([1, 1, 1], size=7)
    levels: dict[float, float] = {}
    for fallen in product((-1, 0, 1), repeat=7):
        p_value = coin_sequence(chances, fallen, horizon=7)
        likely = float(np.prod([row[1 + one] for row, one in zip(chances, fallen, strict=True)]))
        levels[p_value] = levels.get(p_value, 0.0) + likely
    found = np.array(sorted(levels.items()))
    assert (found[:, 1].cumsum() <= found[:, 0] + 1e-12).all()
    assert float((found[:, 1] / found[:, 0]).sum()) >= 1.0  # E max(M, 1)


def test_many_fair_coins_come_near_the_normal_mixture() -> None:
    n, s = 4000, 200
    normal = float(np.exp(-log_mixture(s, n, rho=best_rho(n))))
    assert coin_sequence([FAIR] * n, [1] * 2100 + [-1] * 1900, horizon=n) == pytest.approx(normal, rel=0.05)


def test_both_sides_are_alike_and_order_does_not_matter() -> None:
    one = coin_sequence([FAIR] * 30, [1] * 22 + [-1] * 8, horizon=30)
    assert coin_sequence([FAIR] * 30, [-1, -1, 1] * 8 + [-1] * 6, horizon=30) == pytest.approx(one)


def test_what_no_coin_decides_is_no_evidence() -> None:
    fair = coin_sequence([FAIR] * 9, [1] * 8 + [-1], horizon=20)
    certain = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    assert coin_sequence([*certain, *[FAIR] * 9], [1, 0, -1, *[1] * 8, -1], horizon=20) == pytest.approx(fair)
    with pytest.raises(InputError, match="the coins decided none of 1 rewarded impression"):
        coin_sequence([[0.0, 1.0, 0.0]], [0], horizon=20)


def test_a_result_that_is_none_is_refused_by_row() -> None:
    with pytest.raises(InputError, match="result of row 1 is 2, must be -1, 0 or 1"):
        coin_sequence([FAIR, FAIR], [1, 2], horizon=20)
