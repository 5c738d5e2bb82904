"""Experiments that tune whatever ranks on a surface, so that several of them, in layers of their own, divide its units
independently of each other and of the one that says what ranks.

They share a surface as the layers of Tang et al. (2010), "Overlapping experiment infrastructure", KDD, do: no two of
them may touch the same field.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

JOINT = " + "
"""Stands between the weights that are tuned and the variant that tunes them: each combination learns alone."""


def name(tuned: str, experiment: str, variant: str) -> str:
    """The weights, or the strategy, that come of tuning others.

    >>> name("default", "bolder", "much")
    'default + bolder/much'
    """
    return f"{tuned}{JOINT}{experiment}/{variant}"


def shared(one: Iterable[Mapping[str, Any]], other: Iterable[Mapping[str, Any]]) -> str | None:
    """A field of the strategy that parameters of both change; None where each has its own.

    >>> shared([{"policy": {"epsilon": 0.1}}], [{"policy": {"epsilon": 0.2}, "candidates": 100}])
    'policy.epsilon'
    """
    theirs = [path for parameters in other for path in _paths(parameters)]
    for parameters in one:
        for mine in _paths(parameters):
            for path in theirs:
                if mine[: len(path)] == path[: len(mine)]:
                    return ".".join(mine if len(mine) > len(path) else path)
    return None


def _paths(parameters: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for field, value in parameters.items():
        # A table of another kind has other fields, and generators are chosen as a whole.
        if isinstance(value, Mapping) and "kind" not in value and field != "generators":
            yield from ((field, *path) for path in _paths(value))
        else:
            yield (field,)
