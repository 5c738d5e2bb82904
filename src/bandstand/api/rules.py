"""Business rules over HTTP: what is in force, and changes of it."""

import msgspec
from litestar import delete, get, put

from bandstand.api.answer import Answer, answer, nothing
from bandstand.api.document import says
from bandstand.api.reading import Http, PathId, body_of, identifier, read
from bandstand.api.serving import Serving
from bandstand.configuration import recorded_rule
from bandstand.errors import InputError, UnknownError
from bandstand.events import RuleRemoved
from bandstand.live import Live
from bandstand.rules import AnyRule, check

_rules: msgspec.json.Decoder[AnyRule] = msgspec.json.Decoder(AnyRule)


@get("/v1/rules", status_code=200, opt=says(list[AnyRule]))
async def list_rules(serving: Serving) -> Answer:
    """List the business rules."""
    return answer(list(serving.live.engine.model.state.rules.values()))


@get("/v1/rules/{rule:str}", status_code=200, opt=says(AnyRule))
async def get_rule(rule: PathId, serving: Serving) -> Answer:
    """Show one rule."""
    return answer(_known(serving.live, rule))


@put("/v1/rules/{rule:str}", status_code=200, opt=says(AnyRule, body=AnyRule))
async def put_rule(request: Http, rule: PathId, serving: Serving) -> Answer:
    """Define a rule, or change it; it holds from the next slate on.

    The body is the structure of a rule's TOML file; its name may be left out.
    """
    name = identifier(rule, "rule")
    given = read(await body_of(request.receive), _rules)
    if given.name not in ("", name):
        raise InputError(f"name == {given.name!r}, must be {name!r} as in the path, or left out", field="name")
    definition = msgspec.structs.replace(given, name=name)
    check(definition)
    async with serving.changing:
        await serving.live.record(recorded_rule(serving.live.engine.model.state, definition))
    return answer(_known(serving.live, rule))


@delete("/v1/rules/{rule:str}", status_code=200, opt=says(status=204))
async def remove_rule(rule: PathId, serving: Serving) -> Answer:
    """Take a rule back. A file that defines it brings it again when the server starts."""
    async with serving.changing:
        await serving.live.record([RuleRemoved(_known(serving.live, rule).name)])
    return nothing()


def _known(live: Live, encoded: str) -> AnyRule:
    name = identifier(encoded, "rule")
    rules = live.engine.model.state.rules
    if name not in rules:
        known = ", ".join(sorted(rules)) or "none"
        raise UnknownError(f"rule {name!r} is not defined; known: {known}", field="rule", code="unknown_rule")
    return rules[name]
