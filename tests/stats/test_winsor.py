import numpy as np
import pytest
from scipy.stats.mstats import winsorize

from bandstand.errors import InputError
from bandstand.stats.winsor import pooled_cap, winsorised


def test_capping_agrees_with_scipys_winsorising_of_both_arms_together(rng: np.random.Generator) -> None:
    arms = rng.permutation(200)[:100].astype(float), np.arange(101.0)
    both = np.sort(np.concatenate(arms))
    capped = np.concatenate(winsorised(*arms, share=180 / 200, above_zero=False))  # quantile at a value exactly
    assert np.sort(capped) == pytest.approx(np.asarray(winsorize(both, limits=(0, 20 / 201))))


def test_one_cap_for_all_arms_keeps_an_effect_in_the_tail() -> None:
    treatment, control = np.append(np.ones(99), 50.0), np.ones(100)
    capped_t, capped_c = winsorised(treatment, control, share=0.999)
    assert capped_t.max() == pooled_cap(treatment, control, share=0.999) > capped_c.max() == 1.0


def test_users_who_spend_nothing_do_not_pull_the_cap_down() -> None:
    values = np.concatenate([np.zeros(9000), np.arange(1.0, 1002.0)])
    assert pooled_cap(values, share=0.9) == 901.0


def test_impossible_caps_are_refused() -> None:
    with pytest.raises(InputError, match="share is 1, must lie between 0 and 1"):
        pooled_cap([1.0], share=1)
    with pytest.raises(InputError, match=r"none of 2 values counts.*above_zero=False"):
        pooled_cap([0.0], [0.0])
