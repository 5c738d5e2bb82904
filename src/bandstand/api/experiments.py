"""Experiments over HTTP: define, start, stop, ship, and read what came of them."""

import asyncio
from typing import Any

import msgspec
from litestar import get, post, put

from bandstand.api.answer import Answer, answer
from bandstand.api.bodies import Ship, Unit
from bandstand.api.document import says
from bandstand.api.reading import Http, PathId, body_of, identifier, query, read
from bandstand.api.serving import Serving
from bandstand.configuration import described, recorded, shipped, started
from bandstand.errors import ConflictError, InputError, UnknownError
from bandstand.events import ExperimentMoved, Request
from bandstand.experiments.assignment import held_out
from bandstand.experiments.assignment import unit as unit_of
from bandstand.experiments.definition import Experiment
from bandstand.experiments.lifecycle import Stage, moved
from bandstand.experiments.trial import Trial
from bandstand.live import Live


class Standing(msgspec.Struct, frozen=True):
    """An experiment and where it is in its life; `why`, where the server moved it there by itself."""

    name: str
    stage: Stage
    definition: Experiment
    why: str | None = None


class Assigned(msgspec.Struct, frozen=True):
    """The variant of a user, session or device, null where they do not take part: `why`, then. It decides slates while
    the experiment is running, for those who fit its audience."""

    experiment: str
    stage: Stage
    unit: str
    id: str
    variant: str | None
    why: str | None = None


_objects: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
_ships = msgspec.json.Decoder(Ship)


@get("/v1/experiments", status_code=200, opt=says(list[Standing]))
async def list_experiments(serving: Serving) -> Answer:
    """List the experiments."""
    return answer([_standing(trial) for trial in serving.live.engine.model.state.trials.values()])


@get("/v1/experiments/{experiment:str}", status_code=200, opt=says(Standing))
async def get_experiment(experiment: PathId, serving: Serving) -> Answer:
    """Show one experiment."""
    return answer(_standing(_trial(serving.live, experiment)))


@put("/v1/experiments/{experiment:str}", status_code=200, opt=says(Standing, body=Experiment))
async def put_experiment(request: Http, experiment: PathId, serving: Serving) -> Answer:
    """Define an experiment, or change it as far as what it has measured allows.

    The body is the structure of an experiment's TOML file; its name may be left out. A new one is started where it says
    so.
    """
    name = identifier(experiment, "experiment")
    given = read(await body_of(request.receive), _objects)
    definition = described({"name": name} | given)
    if definition.name != name:
        raise InputError(f"name == {definition.name!r}, must be {name!r} as in the path, or left out", field="name")
    async with serving.changing:
        await serving.live.record(recorded(serving.live.engine.model.state, definition))
    return answer(_standing(_trial(serving.live, experiment)))


@post("/v1/experiments/{experiment:str}/start", status_code=200, opt=says(Standing))
async def start_experiment(experiment: PathId, serving: Serving) -> Answer:
    """Start a draft."""
    async with serving.changing:
        trial = _trial(serving.live, experiment)
        return await _move(serving.live, experiment, started(serving.live.engine.model.state, trial.definition.name))


@post("/v1/experiments/{experiment:str}/stop", status_code=200, opt=says(Standing))
async def stop_experiment(experiment: PathId, serving: Serving) -> Answer:
    """Stop a running experiment. Its surface goes back to its own strategy."""
    async with serving.changing:
        return await _move(serving.live, experiment, _left(_trial(serving.live, experiment), "stopped"))


@post("/v1/experiments/{experiment:str}/archive", status_code=200, opt=says(Standing))
async def archive_experiment(experiment: PathId, serving: Serving) -> Answer:
    """Put an experiment away that was stopped or never started: none of its variants is shipped."""
    async with serving.changing:
        return await _move(serving.live, experiment, _left(_trial(serving.live, experiment), "archived"))


@post("/v1/experiments/{experiment:str}/ship", status_code=200, opt=says(Standing, body=Ship))
async def ship_experiment(request: Http, experiment: PathId, serving: Serving) -> Answer:
    """Make a variant the surface's way to rank, with what it has learned. This ends the experiment."""
    body = read(await body_of(request.receive), _ships)
    async with serving.changing:
        trial = _trial(serving.live, experiment)
        fact = shipped(serving.live.engine.model.state, trial.definition.name, body.winner)
        return await _move(serving.live, experiment, fact)


@get("/v1/experiments/{experiment:str}/report", status_code=200, opt=says(dict[str, Any]))
async def report_experiment(experiment: PathId, serving: Serving) -> Answer:
    """Report what an experiment has measured so far: its health, figures with intervals, and a verdict."""
    trial = _trial(serving.live, experiment)
    async with serving.reporting:
        return await asyncio.to_thread(_report, serving.live, trial.definition.name)


@get("/v1/experiments/{experiment:str}/assignment", status_code=200, opt=says(Assigned, query=Unit))
async def get_assignment(request: Http, experiment: PathId, serving: Serving) -> Answer:
    """Say which variant a user, session or device gets."""
    trial = _trial(serving.live, experiment)
    definition, asked = trial.definition, query(request, Unit)
    about = Request("", 0.0, user=asked.user, session=asked.session, device=asked.device)
    unit = unit_of(definition, about)
    if unit is None:
        raise InputError(
            f"{definition.unit}: missing; experiment '{definition.name}' is divided by {definition.unit}",
            field=definition.unit,
            code="missing_field",
        )
    got, why = trial.variant(unit), None
    if held_out(serving.live.engine.model.state.holdout, about):
        got, why = None, "held out of all experiments"
    elif got is None:
        why = "outside the experiment's traffic"
    return answer(Assigned(definition.name, trial.stage, definition.unit, unit, None if got is None else got.name, why))


async def _move(live: Live, experiment: str, fact: ExperimentMoved) -> Answer:
    """ConflictError where another server moved it a moment before, of which this one has not heard yet."""
    (appended,) = await live.record([fact])
    if appended.duplicate:
        raise ConflictError(
            f"experiment '{fact.name}' is not {fact.left} any more; look where it stands", field="state"
        )
    return answer(_standing(_trial(live, experiment)))


def _left(trial: Trial, to: Stage) -> ExperimentMoved:
    name = trial.definition.name
    return ExperimentMoved(name, moved(name, trial.stage, to), left=trial.stage)


def _trial(live: Live, encoded: str) -> Trial:
    name = identifier(encoded, "experiment")
    trials = live.engine.model.state.trials
    if name not in trials:
        known = ", ".join(sorted(trials)) or "none"
        raise UnknownError(
            f"experiment {name!r} is not defined; known: {known}", field="experiment", code="unknown_experiment"
        )
    return trials[name]


def _standing(trial: Trial) -> Standing:
    return Standing(trial.definition.name, trial.stage, trial.definition, trial.why)


def _report(live: Live, name: str) -> Answer:
    from bandstand.report import report  # brings statsmodels, whose import takes seconds that a start need not wait for

    return answer(report(live.engine.log, name, snapshots=live.snapshots))
