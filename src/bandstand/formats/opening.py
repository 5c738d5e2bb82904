"""What a log must know before it can hold decisions of another system."""

from collections.abc import Iterator

import msgspec

from bandstand.configuration import raw
from bandstand.events import Decided, Draft, StrategyPut, SurfacePut
from bandstand.formats import Target
from bandstand.policy.baseline import Random
from bandstand.strategy import Strategy, Surface


class Opening:
    """The strategies to learn and to compare with, and the surfaces; each where the log does not define it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._known: set[tuple[str, str]] | None = None

    def before(self, decided: Decided, at: float) -> Iterator[Draft]:
        """What must come before this decision."""
        if self._known is None:
            self._known = set(_defined(self._target))
        teaches, surface = self._target.teaches, decided.request.surface
        for name, strategy in ((teaches, Strategy()), ("random", Strategy(generators={}, policy=Random()))):
            if ("strategyput", name) not in self._known:
                yield Draft(StrategyPut(name, raw(strategy)), at)
        if ("surfaceput", surface) not in self._known:
            yield Draft(SurfacePut(surface, raw(Surface(strategy=teaches, n=len(decided.picks)))), at)
        self._known |= {("strategyput", teaches), ("strategyput", "random"), ("surfaceput", surface)}


def _defined(target: Target) -> Iterator[tuple[str, str]]:
    after = 0
    while page := target.log.scan(("strategyput", "surfaceput"), after=after):
        yield from ((kind, msgspec.json.decode(body)["name"]) for _, _, kind, body in page)
        after = page[-1][0]
