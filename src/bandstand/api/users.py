"""Users over HTTP: their profile, everything held about them, and forgetting them."""

import asyncio

import msgspec
from litestar import delete, get, put

from bandstand.api.answer import Answer, answer, nothing
from bandstand.api.bodies import User
from bandstand.api.document import says
from bandstand.api.reading import Http, PathId, body_of, identifier, read
from bandstand.api.serving import Serving
from bandstand.errors import InputError, UnknownError
from bandstand.events import AnyFact, UserPut
from bandstand.store import EventLog

_PAGE = 1000


class Held(msgspec.Struct, frozen=True):
    """One entry of the log; `at` is in seconds since the epoch."""

    seq: int
    at: float
    fact: AnyFact


class Export(msgspec.Struct, frozen=True):
    """Everything held about a user: the log's entries, and what is read from them to rank."""

    user: str
    profile: User | None
    history: list[str]
    entries: list[Held]


_users = msgspec.json.Decoder(User)


@put("/v1/users/{user:str}", status_code=200, opt=says(User, body=User))
async def put_user(request: Http, user: PathId, serving: Serving) -> Answer:
    """Put a profile, replacing the earlier one whole.

    Without `personalize` neither history nor profile enter this user's slates, from the next one on.
    """
    id_ = identifier(user, "user")
    body = read(await body_of(request.receive), _users)
    if body.user is not None and body.user != id_:
        raise InputError(f"user == {body.user!r}, must be {id_!r} as in the path, or left out", field="user")
    fact = UserPut(id_, body.features, body.personalize, body.blocked_items, body.blocked_tags)
    await serving.live.record([fact])
    return answer(_shown(fact))


@get("/v1/users/{user:str}", status_code=200, opt=says(User))
async def get_user(user: PathId, serving: Serving) -> Answer:
    """Show a profile as it was last put."""
    id_ = identifier(user, "user")
    profile = serving.live.engine.model.state.people.get(id_)
    if profile is None:
        raise UnknownError(
            f"user {id_!r} has no profile; put one with PUT /v1/users/{{id}}", field="user", code="unknown_user"
        )
    return answer(_shown(profile))


@get("/v1/users/{user:str}/export", status_code=200, opt=says(Export))
async def export_user(user: PathId, serving: Serving) -> Answer:
    """Export everything held about a user."""
    id_ = identifier(user, "user")
    state = serving.live.engine.model.state
    profile = state.people.get(id_)
    past = state.histories.get(f"u:{id_}")
    history = [state.catalogue.ids[row] for row in (past.rows if past is not None else ())]
    entries = await asyncio.to_thread(_held, serving.live.engine.log, id_)
    if not entries:
        raise UnknownError(f"user {id_!r}: nothing is held about them", field="user", code="unknown_user")
    return answer(Export(id_, None if profile is None else _shown(profile), history, entries))


@delete("/v1/users/{user:str}", status_code=200, opt=says(status=204))
async def erase_user(user: PathId, serving: Serving) -> Answer:
    """Erase a user: their id, sessions, context and profile leave the log, and they are a stranger from here on."""
    await serving.live.erase(identifier(user, "user"))
    return nothing()


def _held(log: EventLog, user: str) -> list[Held]:
    held: list[Held] = []
    after = 0
    while page := log.about(user, after=after, limit=_PAGE):
        held += [Held(*entry) for entry in page]
        after = page[-1].seq
    return held


def _shown(put: UserPut) -> User:
    return User(
        user=put.user,
        features=put.features,
        personalize=put.personalize,
        blocked_items=put.blocked_items,
        blocked_tags=put.blocked_tags,
    )
