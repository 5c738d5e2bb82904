"""What the routes share: the engine that they serve from, the counters, and whose turn it is."""

from asyncio import Lock
from typing import NamedTuple, TypeAlias

from litestar.di import NamedDependency

from bandstand.api.metrics import Metrics
from bandstand.live import Live


class Shared(NamedTuple):
    """One value, for Litestar starts a task group where a route has several dependencies, which triples its cost.

    Changes of experiments go one by one, for each is checked against the others; reports too, for each reads the log.
    """

    live: Live
    metrics: Metrics
    changing: Lock
    reporting: Lock


Serving: TypeAlias = NamedDependency[Shared]
