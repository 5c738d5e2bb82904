"""Every estimator there is, by the name that `stats.assumptions` knows it by, and which one fits a question."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, NamedTuple

from bandstand.errors import InputError, UnknownError
from bandstand.evaluate import single, slated
from bandstand.evaluate.evidence import Embedded, Evidence, Inverse, Nothing, Reach
from bandstand.evaluate.question import Question
from bandstand.evaluate.regression import Sketches
from bandstand.evaluate.rows import Floats
from bandstand.evaluate.scored import Case, Scored
from bandstand.evaluate.single import Shrunk


class Estimator(NamedTuple):
    """`single` ones look at one pick a slate, the first; `model` ones lean on a reward model; weights of some are
    `shrunk` to a level λ. `whole` ones can place what came for a slate as a whole, and where it `follows` the log, what
    the logger could never show is missing from the estimate."""

    method: str
    scored: Callable[[Case], Scored]
    evidence: Callable[[int, str, Question], Evidence]
    single: bool = False
    model: bool = False
    shrunk: Shrunk | None = None
    whole: bool = True
    follows: bool = True


def chosen(question: Question, length: int) -> tuple[Estimator, str]:
    """The estimator that is asked for, or the one for slates of this length, and why."""
    if question.estimator is not None or question.level is not None:
        return _named(question.estimator or "snips", question.level), "asked for"
    if length == 1:
        return ESTIMATORS["snips"], "slates hold one item; weights are divided by their mean, which steadies them"
    return (
        ESTIMATORS["reward_interaction_snips"],
        f"slates hold up to {length} items, read from the top; by position weights are divided by their mean",
    )


def _named(name: str, level: float | None) -> Estimator:
    if name not in ESTIMATORS:
        raise UnknownError(f"estimator {name!r} is not known; known: {', '.join(ESTIMATORS)}", field="estimator")
    shrunk = ESTIMATORS[name].shrunk
    if level is not None and shrunk is None:
        able = ", ".join(one.method for one in _ALL if one.shrunk is not None)
        raise InputError(f"level: {name} shrinks no weights; leave it out, or take one of {able}", field="level")
    if level is not None and shrunk is not None and level > shrunk.most:
        raise InputError(f"level == {level:g}, must be at most {shrunk.most:g} of {name}; lower it", field="level")
    return ESTIMATORS[name]


def scored(estimator: Estimator, case: Case) -> Scored:
    """InputError where a reward of the log has no place in the estimate."""
    if not estimator.whole and case.rows.wholes(case.metric).any():
        name = case.question.metrics[case.metric]
        raise InputError(
            f"estimator: {estimator.method} needs rewards by position, and {name!r} came for slates as a whole too; "
            "take whole_slate_snips or reward_interaction_snips",
            field="estimator",
        )
    return estimator.scored(case)._replace(dropped=case.rows.dropped)


def logged(estimator: Estimator, case: Case) -> Floats:
    """What each logged slate earned, or its first pick."""
    return single.first(case)[1] if estimator.single else case.rows.earned(case.metric)


def _nothing(targets: int, method: str, question: Question) -> Evidence:
    return Nothing()


def _reach(targets: int, method: str, question: Question) -> Evidence:
    if method.startswith("position_based") and question.examination is None:
        raise InputError(
            f"examination: {method} needs the chance that each position is looked at; give it, as --examination "
            "1,0.6,0.4, or say --examination estimate",
            field="examination",
        )
    return Reach(targets, method)


def _sketches(targets: int, method: str, question: Question) -> Evidence:
    return Sketches(targets)


def _embedded(targets: int, method: str, question: Question) -> Evidence:
    return Embedded(targets, method, question.embedding)


def _inverted(targets: int, method: str, question: Question) -> Evidence:
    return Inverse(targets, method)


def _both(model: str, one: Callable[..., Scored], evidence: Callable[..., Evidence], *, whole: bool) -> list[Estimator]:
    return [
        Estimator(f"{model}_{kind}", partial(one, divided=kind == "snips"), evidence, whole=whole, follows=whole)
        for kind in ("ips", "snips")
    ]


def _shrunk_ips(method: str, shrunk: Shrunk) -> Estimator:
    return Estimator(method, partial(single.shrunk_ips, shrunk=shrunk), _nothing, single=True, shrunk=shrunk)


def _shrunk_dr(method: str, shrunk: Shrunk) -> Estimator:
    return Estimator(method, partial(single.dr, shrunk=shrunk), _sketches, single=True, model=True, shrunk=shrunk)


_ALL: Final = (
    Estimator("ips", single.ips, _nothing, single=True),
    Estimator("snips", single.snips, _nothing, single=True),
    _shrunk_ips("clipped_ips", single.CLIPPED),
    _shrunk_ips("subgaussian_ips", single.SUBGAUSSIAN),
    Estimator("dm", single.dm, _sketches, single=True, model=True, follows=False),
    Estimator("dr", single.dr, _sketches, single=True, model=True),
    Estimator("sndr", partial(single.dr, divided=True), _sketches, single=True, model=True),
    _shrunk_dr("clipped_dr", single.CLIPPED),
    _shrunk_dr("switch_dr", single.SWITCHED),
    _shrunk_dr("dros", single.OPTIMISTIC),
    _shrunk_dr("subgaussian_dr", single.SUBGAUSSIAN),
    Estimator("mips", single.mips, _embedded, single=True, follows=False),
    Estimator("snmips", partial(single.mips, divided=True), _embedded, single=True, follows=False),
    *_both("reward_interaction", slated.cascade, _nothing, whole=True),
    *_both("whole_slate", slated.whole, _nothing, whole=True),
    *_both("independent", slated.independent, _reach, whole=False),
    *_both("position_based", slated.position_based, _reach, whole=False),
    *_both("pseudo_inverse", slated.inverse, _inverted, whole=True),
    Estimator("cascade_dr", slated.cascade_dr, _sketches, model=True),
    Estimator("cascade_sndr", partial(slated.cascade_dr, divided=True), _sketches, model=True),
)
ESTIMATORS: Final[Mapping[str, Estimator]] = {one.method: one for one in _ALL}
