"""What the server counts about itself, in Prometheus' terms."""

from functools import cache
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bandstand.live import Live

_RANK = "POST /v1/rank"
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counters of one server process, in a registry of their own. Labels are routes and defined names, never ids."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "bandstand_requests", "Requests answered.", ["route", "status"], registry=self._registry
        )
        self._rank_s = Histogram(
            "bandstand_rank_seconds", "Time to answer POST /v1/rank.", buckets=_BUCKETS, registry=self._registry
        )
        self._decisions = Counter(
            "bandstand_decisions", "Slates decided.", ["surface", "strategy"], registry=self._registry
        )
        # The lines of a counter, as prometheus_client finds them anew each time.
        self._requests_of = cache(self._requests.labels)
        self._decisions_of = cache(self._decisions.labels)
        self._rewards = Counter("bandstand_rewards", "Rewards recorded.", registry=self._registry)
        self._steward = Counter(
            "bandstand_steward",
            "What the steward did: look, listen, stop, ship, reweigh, hook; done, failed or dropped.",
            ["what", "result"],
            registry=self._registry,
        )
        self._looked = self._gauge("bandstand_steward_last_look_seconds", "When it last looked, since the epoch.")
        self._head = self._gauge("bandstand_log_head", "Entries in the log.")
        self._waiting = self._gauge("bandstand_queue_facts", "Facts waiting for the disk.")
        self._behind = self._gauge("bandstand_model_behind_entries", "Entries that this server has not read yet.")
        self._lag = self._gauge("bandstand_weights_behind_entries", "Entries after the weights that serve.")
        self._lag_s = self._gauge(
            "bandstand_weights_behind_seconds", "Log time from the weights that serve to the newest entry."
        )

    def answered(self, route: str, status: int, seconds: float) -> None:
        self._requests_of(route, status).inc()
        if route == _RANK and status == HTTPStatus.OK:
            self._rank_s.observe(seconds)

    def decided(self, surface: str, strategy: str) -> None:
        self._decisions_of(surface, strategy).inc()

    def rewarded(self, count: int) -> None:
        self._rewards.inc(count)

    def stewarded(self, what: str, result: str) -> None:
        self._steward.labels(what, result).inc()
        if (what, result) == ("look", "done"):
            self._looked.set_to_current_time()

    def text(self, live: Live) -> bytes:
        """Everything counted, and where the server stands in the log; this reads the log."""
        log, state, weights = live.engine.log, live.engine.model.state, live.engine.model.published
        head = log.head()
        self._head.set(head)
        self._waiting.set(live.waiting)
        self._behind.set(head - state.seq)
        self._lag.set(head - weights.seq)
        read = log.read(after=max(weights.seq - 1, 0), limit=1)
        self._lag_s.set(max(state.clock - read[0].at, 0.0) if read else 0.0)
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry)
