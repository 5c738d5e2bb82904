"""The compiled learner and Vowpal Wabbit have the same weights, to the last bit, after any history."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.features import amount, text
from bandstand.native import native
from bandstand.policy import compiled as module
from bandstand.policy.compiled import Compiled, compiles
from bandstand.policy.learner import Learner
from bandstand.policy.learning import Learning
from bandstand.policy.vw import SAVED, Vowpal, untaught

pytestmark = pytest.mark.skipif(native is None, reason="there was no C compiler when the package was installed")

Example = tuple[str, str, str]

settings_of_learning = st.builds(
    Learning,
    bits=st.integers(10, 14),
    rate=st.floats(1e-4, 10.0),
    power_t=st.floats(0.0, 1.0).filter(lambda power: power != 0.5),
)
# Ones as categories are, amounts as prices are, and what single precision can hardly hold.
values = st.one_of(st.just(1.0), st.floats(-50, 50, width=32), st.floats(-1e30, 1e30), st.just(0.0), st.just(1e-42))
names = st.integers(0, 30).map("f{}".format)
features = st.dictionaries(names, values, max_size=6)
rewards = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(-1e6, 1e6)).map(amount)
examples = st.builds(
    lambda u, c, i, s, p, reward: (
        f"{text('u', u)} {text('c', c)}",
        f"{text('i', i)} {text('s', s)} {text('p', p)}",
        reward,
    ),
    *(features, features, features, features, features, rewards),
)


def taught(learner: Compiled | Vowpal, history: Iterable[Example]) -> Compiled | Vowpal:
    for shared, pick, reward in history:
        learner.learn(shared, [pick], [reward])
    return learner


def kept(learner: Compiled | Vowpal, learning: Learning) -> bytes:
    """Places, weights and accumulators, as Vowpal Wabbit writes them."""
    return learner.dump()[len(untaught(learning)) :]


@given(settings_of_learning, st.lists(examples, max_size=30))
@settings(deadline=None)
def test_any_history_leaves_the_same_weights_and_accumulators(learning: Learning, history: list[Example]) -> None:
    ours, theirs = taught(Compiled(learning), history), taught(Vowpal(learning), history)
    assert kept(ours, learning) == kept(theirs, learning)
    np.testing.assert_array_equal(ours.table(), theirs.table())


@given(settings_of_learning, st.lists(examples, max_size=15), st.lists(examples, max_size=15))
@settings(deadline=None)
def test_each_goes_on_from_what_the_other_wrote_down(
    learning: Learning, before: list[Example], after: list[Example]
) -> None:
    through = taught(Vowpal(learning), [*before, *after])
    ours, theirs = taught(Compiled(learning), before), taught(Vowpal(learning), before)
    assert kept(taught(Compiled(learning, theirs.dump()), after), learning) == kept(through, learning)
    assert kept(taught(Vowpal(learning, ours.dump()), after), learning) == kept(through, learning)


@pytest.mark.parametrize("learning", [Learning(), Learning(bits=12, rate=0.5), Learning(power_t=0.0, rate=5.0)])
def test_a_long_history_leaves_the_same_weights(learning: Learning) -> None:
    chance = np.random.default_rng(20261121)

    def some(namespace: str, of: int, most: int) -> str:
        numbers = chance.integers(0, of, most).tolist()
        amounts = np.where(chance.random(most) < 0.6, 1.0, chance.lognormal(0, 2, most)).tolist()
        return text(
            namespace, {f"{namespace}{number}": amount for number, amount in zip(numbers, amounts, strict=True)}
        )

    history = [
        (
            f"{some('u', 50, 5)} {some('c', 80, 20)}",
            f"{some('i', 900, 20)} {some('s', 9, 6)} {some('p', 10, 1)}",
            reward,
        )
        for reward in np.where(chance.random(2_000) < 0.1, "1", "0").tolist()
    ]
    ours, theirs = taught(Compiled(learning), history), taught(Vowpal(learning), history)
    assert kept(ours, learning) == kept(theirs, learning)
    assert len(kept(ours, learning)) > 10_000 * SAVED.itemsize or learning.bits < 14


def test_picks_of_one_decision_are_learned_one_after_the_other() -> None:
    learning, shared, picks = Learning(bits=12), "|u 1:0.5 |c 2:1 3:2.5", ["|i 4:1 |s |p 5:1", "|i 4:1 6:3 |s |p 7:1"]
    at_once, each = Compiled(learning), Compiled(learning)
    at_once.learn(shared, picks, ["1", "0"])
    taught(each, zip([shared] * 2, picks, ["1", "0"], strict=True))
    assert at_once.dump() == each.dump()


def test_features_that_are_no_numbers_are_refused() -> None:
    for shared, pick in (("|u a:1 |c ", "|i "), ("|u 1 |c ", "|i "), ("|u 1:x |c ", "|i "), ("|u ", "|i 1:1|s ")):
        with pytest.raises(ValueError, match="must be"):
            Compiled(Learning(bits=10)).learn(shared, [pick], ["1"])


def test_at_a_power_of_one_half_vowpal_wabbit_learns_itself() -> None:
    assert not compiles(Learning(power_t=0.5))
    assert compiles(Learning())


def test_without_a_compiler_vowpal_wabbit_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    learning, shared, picks = Learning(bits=12), "|u 1:0.5 |c 2:1", ["|i 3:1 |s |p 4:1", "|i 5:2.5 |s |p 6:1"]
    compiled = Learner(learning)
    monkeypatch.setattr(module, "native", None)
    plain = Learner(learning)
    plain.learn(shared, picks, [1.0, 0.25])
    monkeypatch.undo()  # what a learner was made as it stays
    compiled.learn(shared, picks, [1.0, 0.25])
    assert plain.learned == compiled.learned == 2
    assert plain.weights().table.any()
    np.testing.assert_array_equal(plain.weights().table, compiled.weights().table)
