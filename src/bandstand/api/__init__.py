"""The server over HTTP: routes, errors in one shape, limits, metrics and their OpenAPI document."""

from asyncio import Lock
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
from litestar import Litestar, get
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

from bandstand.api import decisions, experiments, feedback, items, operation, rank, rules, users
from bandstand.api.answer import Answer, failed
from bandstand.api.document import document
from bandstand.api.metrics import Metrics
from bandstand.api.rim import rim
from bandstand.api.serving import Shared
from bandstand.live import Live
from bandstand.steward.run import Steward

__all__ = ["create_api"]

_ROUTES = [
    rank.rank,
    rank.next_page,
    feedback.rewards,
    feedback.exposures,
    feedback.interactions,
    items.put_items,
    items.list_items,
    items.get_item,
    items.put_item,
    items.remove_item,
    users.put_user,
    users.get_user,
    users.export_user,
    users.erase_user,
    experiments.list_experiments,
    experiments.get_experiment,
    experiments.put_experiment,
    experiments.start_experiment,
    experiments.stop_experiment,
    experiments.archive_experiment,
    experiments.ship_experiment,
    experiments.report_experiment,
    experiments.get_assignment,
    rules.list_rules,
    rules.get_rule,
    rules.put_rule,
    rules.remove_rule,
    decisions.get_decision,
    operation.alive,
    operation.ready,
    operation.metrics,
]


def create_api(live: Live, steward: Steward | None = None) -> Litestar:
    """The web application around `live`, which it starts and stops with itself, and so the steward, if there is one."""
    metrics = Metrics()
    shared = Shared(live, metrics, changing=Lock(), reporting=Lock())

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await live.start()
        if steward is not None:
            await steward.start(shared.changing, metrics.stewarded)
        try:
            yield
        finally:
            if steward is not None:
                await steward.stop()
            await live.stop()

    api = Litestar(
        _ROUTES,
        dependencies={"serving": Provide(lambda: shared, sync_to_thread=False)},
        exception_handlers={Exception: failed},
        lifespan=[lifespan],
        logging_config=None,
        openapi_config=None,
    )
    described = msgspec.json.encode(document(api.routes))
    api.register(_schema(described))
    # Litestar's own middleware does not see a request whose route is unknown.
    api.asgi_handler = rim(api.asgi_handler, metrics.answered, live, partial(rank.ranked, serving=shared))
    return api


def _schema(described: bytes) -> HTTPRouteHandler:
    @get("/schema", status_code=200)
    async def schema() -> Answer:
        return Answer(described)

    return schema
