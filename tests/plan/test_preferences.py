"""What an interleaving would need, from who rewards a surface."""

from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import norm

from bandstand.cli.power import Answered, render
from bandstand.errors import InputError
from bandstand.plan import Traffic, plan, preferring, tried_preferring


def crowd(users: int = 2_000) -> Traffic:
    """A hundred users a day, of whom 63 in a hundred click once or more often."""
    earned = np.random.default_rng(7).poisson(1.0, users).astype(np.float64)
    return Traffic("home", "click", "user", users / 100, np.arange(users) / 100, np.full(users, 10.0), earned)


def test_units_are_those_of_the_formula_where_each_takes_one_side() -> None:
    seen = crowd()
    clicks = seen.earned[seen.earned > 0]
    # s² = E[t²] / 4 E[t]², n = (z + z_power)² s² / Δ²
    by_hand = (norm.isf(0.025) + norm.ppf(0.8)) ** 2 * (clicks**2).mean() / (2 * clicks.mean() * 0.05) ** 2
    found = preferring(seen, preference=0.05)
    fixed, sequential = found.needs
    assert fixed.units == pytest.approx(by_hand, abs=2)  # n - 1 in the spread
    assert sequential.units > 1.8 * fixed.units
    assert found.rewarding == len(clicks) / 2000
    assert fixed.days == pytest.approx(fixed.units / found.rewarding / 100, abs=0.1)


def test_trying_agrees_with_the_formula_and_errs_as_often_as_alpha_says() -> None:
    seen = crowd()
    needed = preferring(seen, preference=0.05).needs[0].units
    found = tried_preferring(seen, preference=0.05, users=needed, times=1500)
    assert found.low - 0.01 < 0.8 < found.high + 0.01
    errs = tried_preferring(seen, preference=0.0, users=needed, times=1500)
    assert errs.low - 0.01 < 0.05 < errs.high + 0.01


def test_a_surface_that_nobody_rewards_is_refused() -> None:
    seen = crowd()._replace(earned=np.zeros(2000))
    with pytest.raises(InputError, match=r"reward 'click': 0 user\(s\) earned any on surface 'home'"):
        preferring(seen)


def test_it_is_said_in_a_sentence() -> None:
    seen = crowd()
    needed = preferring(seen, preference=0.05)
    tried = tried_preferring(seen, preference=0.05, users=needed.needs[0].units, times=50)
    console = Console(width=80, record=True, file=StringIO())
    console.print(render(Answered(plan(seen), None, needed, tried)))
    text = " ".join(console.export_text().split())
    assert "An interleaving finds a preference of 55.0% with at most so many who reward something" in text
    assert f"one look, at the end {needed.needs[0].units:,} in" in text
    assert "Tried 50 times" in text
