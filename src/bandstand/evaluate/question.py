"""What is asked of a log: about which strategies, with whose weights, by which metrics, among whom."""

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, get_args

import msgspec
from msgspec.structs import replace

from bandstand.errors import InputError, UnknownError
from bandstand.evaluate.learning import Learning
from bandstand.evaluate.own import own
from bandstand.evaluate.past import WORTH, Past
from bandstand.expressions import parse
from bandstand.policy.registry import AnyPolicy
from bandstand.stats.checks import significance
from bandstand.strategy import Strategy

Interval = Literal["auto", "likelihood", "normal", "bootstrap", "bernstein", "anytime"]

LOGGED: Final = "logged"
"""In place of a strategy to compare with: what the log itself earned."""

_LEARNING: Final[dict[Learning, str]] = {
    "run": ", learning from its own choices alone (decisions are kept as often as it would have made them)",
    "progressive": ", asked before each decision and then learning from it, whoever made it: more than it could in a "
    "run of its own",
    "final": ", in the last half, with what it learned in the first",
}

Examination = tuple[float, ...] | Literal["estimate"]


class Target(NamedTuple):
    """A strategy that is asked about, by name, with weights of another name where `weights` says so."""

    name: str
    strategy: Strategy
    weights: str | None = None

    @property
    def learns(self) -> bool:
        return self.strategy.policy.scored_by == "weights"


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What would each of `strategies` have earned per decision on the surface, by default the only one that decided?

    `weights` names others than each strategy's own. `estimator` is chosen by the surface where it is missing; `level`
    is λ of those that shrink weights, `examination` the chance that each position is looked at, or "estimate", for
    those that need it, `embedding` the features of items by which "mips" knows them. `against` is what they are
    compared with: the log itself, or another strategy. `metrics` are names of rewards, or "worth"; `by` are fields of
    the context or conditions. `max_weight` is the largest weight possible, where the logger's exploration has a floor
    that the log does not know of, and `reward_range` what a pick may earn, where it is more than was seen. `pending`
    counts decisions too whose rewards may still come. The log is read up to position `until`, and of its decisions the
    `last` so many are asked about. With `learning` the one strategy has no weights to begin with, and learns from the
    log as it goes through it (see `evaluate.learning`).
    """

    strategies: tuple[str | Strategy | Target, ...]
    against: str = LOGGED
    surface: str | None = None
    weights: str | None = None
    estimator: str | None = None
    interval: Interval = "auto"
    metrics: tuple[str, ...] = (WORTH,)
    by: tuple[str, ...] = ()
    alpha: float = 0.05
    level: float | None = None
    examination: Examination | None = None
    embedding: tuple[str, ...] = ()
    max_weight: float | None = None
    reward_range: tuple[float, float] | None = None
    pending: bool = False
    until: int | None = None
    last: int | None = None
    learning: Learning | None = None


_MOST_NAMES = 8


def check(question: Question) -> None:
    """InputError for a number or a condition that can mean nothing, before the log is read."""
    significance(question.alpha)
    if not question.metrics:
        raise InputError(f"metric: none named, must be one at least, such as {WORTH!r}", field="metric")
    if question.interval not in get_args(Interval):
        known = ", ".join(get_args(Interval))
        raise UnknownError(f"interval {question.interval!r} is not known; known: {known}", field="interval")
    if question.max_weight is not None and not question.max_weight > 1:
        raise InputError(f"max_weight == {question.max_weight:g}, must be > 1, the mean weight", field="max_weight")
    if question.level is not None and not 0 < question.level < math.inf:
        raise InputError(f"level == {question.level:g}, must be finite and > 0", field="level")
    if question.learning is not None:
        _check_learning(question)
    _check_range(question.reward_range)
    _check_examination(question.examination)
    for condition in question.by:
        if not is_field(condition) and parse(condition).asks("item"):
            raise InputError(f"by {condition!r}: asks about an item, must be about context or user", field="by")


def targets(past: Past, question: Question) -> tuple[Target, ...]:
    """Those asked about, and last the one that they are compared with, where it is not the log."""
    if question.weights is not None and question.weights not in past.taught:
        known = ", ".join(sorted(past.taught)) or "none"
        raise UnknownError(f"weights {question.weights!r}: nothing ever taught them; known: {known}", field="weights")
    if not question.strategies:
        raise InputError(f"strategy: none named, must be one at least; known: {_known(past)}", field="strategy")
    weights = "learned" if question.learning else question.weights
    found = [_target(past, one, weights) for one in question.strategies]
    # A given target may be asked about and be what the others are compared with; it stands last then.
    itself = isinstance(question.strategies[-1], Target) and question.against == found[-1].name
    if question.against != LOGGED and not itself:
        found.append(_target(past, question.against, question.weights))
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise InputError(f"strategy: {', '.join(names)} named, must be different ones", field="strategy")
    return tuple(found)


def in_words(question: Question, past: Past, place: str, asked: Sequence[Target], *, single: bool, length: int) -> str:
    """The question in words."""
    names = " and ".join(f"'{one.name}'" for one in asked[: len(question.strategies)])
    what = "strategy" if len(question.strategies) == 1 else "strategies"
    own = "it" if len(question.strategies) == 1 else "each"
    whose = f"'{question.weights}'" if question.weights is not None else own
    learns = any(one.learns for one in asked)
    having = f", with the weights that {whose} had at each moment" if learns else ""
    if question.learning is not None:
        having = _LEARNING[question.learning]
    where = " with the first position of a slate" if single and length > 1 else ""
    worth = ""
    if WORTH in question.metrics and 1 < len(past.rewards) <= _MOST_NAMES:
        surface = past.surfaces[place]
        worth = f"; worth is {' + '.join(f'{surface.worth(name, 1.0):g} × {name}' for name in past.rewards)}"
    return (
        f"What {what} {names} would have earned per decision{where} on surface '{place}'{having}; "
        f"all rewards in the log count, late ones too{worth}."
    )


def is_field(by: str) -> bool:
    """Whether it names a field of the context, as `User|age` of other systems too, and is no condition."""
    odd = any(sign in by for sign in "|-") and not any(f"{whose}." in by for whose in ("item", "context", "user"))
    return by.isidentifier() or odd


def _target(past: Past, strategy: str | Strategy | Target, weights: str | None) -> Target:
    if isinstance(strategy, Target):
        return strategy
    if isinstance(strategy, Strategy):
        if not isinstance(strategy.policy, AnyPolicy):
            strategy = replace(strategy, policy=own(strategy.policy))
        if weights is None and strategy.policy.scored_by == "weights":
            raise InputError("weights: a strategy without a name has none of its own; name some", field="weights")
        return Target("given", strategy)
    if strategy not in past.strategies:
        raise UnknownError(
            f"strategy {strategy!r} is not in the log; known: {_known(past)}. One of bandstand.toml enters it when a "
            "server starts on it, or by `bandstand import --teaches`",
            field="strategy",
        )
    return Target(strategy, past.strategies[strategy])


def _check_learning(question: Question) -> None:
    if len(question.strategies) != 1 or question.against != LOGGED:
        raise InputError(
            "learning: one strategy learns at a time, and is compared with the log; try several with a sweep",
            field="learning",
        )
    if question.weights is not None:
        raise InputError(
            f"weights {question.weights!r}: a strategy that learns from the log begins without; leave them out",
            field="weights",
        )


def _known(past: Past) -> str:
    return ", ".join(sorted(past.strategies)) or "none"


def _check_range(given: tuple[float, float] | None) -> None:
    if given is not None and not (math.isfinite(given[0]) and math.isfinite(given[1]) and given[0] < given[1]):
        raise InputError(f"reward_range == {given}, must be finite and rise", field="reward_range")


def _check_examination(given: Examination | None) -> None:
    if isinstance(given, tuple) and not (given and all(0 < each <= 1 for each in given)):
        raise InputError(
            f"examination == {given}, must be the chance that each position is looked at, above 0 and at most 1",
            field="examination",
        )
