"""What comes back from an app: rewards, exposures and interactions, one or many in a body."""

from typing import Annotated

import msgspec
from litestar import post

from bandstand.api.answer import Answer, answer
from bandstand.api.batch import Outcome, take
from bandstand.api.bodies import MOST_ENTRIES, Exposure, Interaction, Reward
from bandstand.api.document import says
from bandstand.api.reading import Http, read
from bandstand.api.serving import Serving
from bandstand.api.times import check_not_early, past
from bandstand.engine import interaction
from bandstand.events import Exposed, Interacted, Rewarded
from bandstand.live import Live

_most = msgspec.Meta(max_length=MOST_ENTRIES)
_rewards = msgspec.json.Decoder(Reward)
_exposures = msgspec.json.Decoder(Exposure)
_interactions = msgspec.json.Decoder(Interaction)


@post("/v1/rewards", status_code=202, opt=says(Outcome, body=Reward | Annotated[list[Reward], _most], status=202))
async def rewards(request: Http, serving: Serving) -> Answer:
    """Say what came of picks or slates.

    An entry that does not fit is rejected by its index and the others are kept. A repeated key is counted once.
    """

    def rewarded(entry: bytes) -> Rewarded:
        body = read(entry, _rewards)
        time = past(body.time, now=serving.live.clock())
        fact = serving.live.engine.reward(
            body.decision, body.name, body.value, item=body.item, position=body.position, time=time, key=body.key
        )
        _check_not_before_decision(serving.live, body.decision, time)
        return fact

    outcome = await take(request, serving.live, rewarded)
    serving.metrics.rewarded(outcome.accepted)
    return answer(outcome, status=202)


@post("/v1/exposures", status_code=202, opt=says(Outcome, body=Exposure | Annotated[list[Exposure], _most], status=202))
async def exposures(request: Http, serving: Serving) -> Answer:
    """Say that slates, or the named positions of them, were really seen."""

    def exposed(entry: bytes) -> Exposed:
        body = read(entry, _exposures)
        time = past(body.time, now=serving.live.clock())
        fact = serving.live.engine.exposure(body.decision, body.positions, time=time)
        _check_not_before_decision(serving.live, body.decision, time)
        return fact

    return answer(await take(request, serving.live, exposed), status=202)


@post(
    "/v1/interactions",
    status_code=202,
    opt=says(Outcome, body=Interaction | Annotated[list[Interaction], _most], status=202),
)
async def interactions(request: Http, serving: Serving) -> Answer:
    """Report behaviour outside any slate: views, purchases, whatever tells tastes."""

    def interacted(entry: bytes) -> Interacted:
        body = read(entry, _interactions)
        return interaction(
            body.item,
            body.name,
            user=body.user,
            session=body.session,
            value=body.value,
            time=past(body.time, now=serving.live.clock()),
            key=body.key,
            context=body.context,
        )

    return answer(await take(request, serving.live, interacted), status=202)


def _check_not_before_decision(live: Live, decision: str, time: float | None) -> None:
    if time is not None:
        entry = live.engine.log.find(f"decided/{decision}")
        if entry is not None:
            check_not_early(time, decided=entry.at)
