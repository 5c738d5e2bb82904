"""The composition root: settings become a log, a model, a server and a learner."""

import contextlib
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from litestar import Litestar
from threadpoolctl import threadpool_limits

from bandstand.api import create_api
from bandstand.configuration import (
    check_alone,
    definitions,
    experiment_files,
    experiment_in,
    recorded,
    recorded_rule,
    rules_in,
)
from bandstand.engine import Engine
from bandstand.errors import BandstandError, InputError, StoreError
from bandstand.events import AnyFact, Request
from bandstand.follow import Follower, newest_model, shared
from bandstand.live import Live
from bandstand.settings import Settings, read
from bandstand.steward.outside import looked
from bandstand.steward.run import Steward
from bandstand.store import EventLog, Snapshots
from bandstand.store.lead import Lead
from bandstand.store.sql import open_log, open_snapshots, snapshots_url

_WAIT_S = 30.0
_IDLE_S = 0.05
_AFTER_FAILURE_S = 1.0
_LOOK_FOR_PARENT_S = 0.5
_DIGESTS_EVERY_S = 10.0
T = TypeVar("T")
Progress = Callable[[int, int], None]
_logger = logging.getLogger("bandstand")


def serving() -> Litestar:
    """The web application of one worker process, from the settings in its environment."""
    settings = read({})
    end_with(os.getppid(), lambda: os.kill(os.getpid(), signal.SIGTERM))
    # A product of small matrices takes 0.1 ms on one thread, and many times that on threads that wait for each other.
    threadpool_limits(1, user_api="blas")
    try:
        engine, snapshots, failing = opened(settings)
    except BandstandError as error:
        _logger.error("%s", error)
        raise SystemExit(2) from None
    alone = settings.database.startswith("sqlite")
    live = Live(engine, snapshots, alone=alone, queue=settings.queue)
    live.failing |= failing
    _rehearse(engine, live.clock())
    lead = Lead(settings.database, purpose="steward")
    steward = Steward(live, lead, looked, every_s=settings.steward_every_s, hooks=settings.hooks)
    api = create_api(live, steward)
    # What was read at the start stays: to look through it again for garbage would halt serving for a tenth of a second.
    gc.collect()
    gc.freeze()
    return api


def opened(settings: Settings) -> tuple[Engine, Snapshots, dict[str, str]]:
    """An engine that has read the whole log and knows what the settings define, the snapshots beside it, and what of
    the settings could not be obeyed."""
    log = _patiently(lambda: open_log(settings.database))
    snapshots = open_snapshots(_where(settings), readonly=True)
    engine = Engine(newest_model(snapshots, log, learning=False), log)
    if settings.workers > 1:
        engine.model.published = shared(engine.model.published)
    engine.catch_up()
    return engine, snapshots, configured(engine, settings, at=time.time())


def _rehearse(engine: Engine, now: float) -> None:
    """Decide once on each surface for nobody: what is made when it is first asked for is made before the first request.
    Nothing is recorded."""
    for surface in engine.model.state.surfaces:
        with contextlib.suppress(BandstandError):
            engine.decide(Request(surface, now), decision="rehearsal")


def configured(engine: Engine, settings: Settings, *, at: float) -> dict[str, str]:
    """Record what the settings and the folders of experiments and rules define beyond what the log knows.

    One that cannot be recorded is left as the log has it, and the reason logged: it must not keep a server from
    starting. What is wrong with rules comes back, by file.
    """
    facts = definitions(
        engine.model.state,
        surfaces=settings.surfaces,
        strategies=settings.strategies,
        signals=settings.signals,
        holdout=settings.holdout,
    )
    _committed(engine, facts, at)
    for file in experiment_files(Path(settings.experiments)):
        try:
            _committed(engine, recorded(engine.model.state, experiment_in(file)), at)
        except BandstandError as error:
            _logger.warning("%s: not recorded: %s", file, error)
    failing: dict[str, str] = {}
    for file, rule in rules_in(Path(settings.rules)).items():
        try:
            if isinstance(rule, InputError):
                raise rule
            _committed(engine, recorded_rule(engine.model.state, rule), at)
        except InputError as error:
            failing[str(file)] = f"{error}; the rule is left as it was recorded before"
            _logger.warning("%s", failing[str(file)])
    return failing


def prepare(settings: Settings) -> None:
    """Look at the settings, and open the log once for writing: what forbids to serve is said before anything runs."""
    check_alone(surfaces=settings.surfaces, strategies=settings.strategies)
    open_log(settings.database).close()


def end_with(parent: int, end: Callable[[], object]) -> None:
    """Call `end` soon after this process' parent has died: alone it would hold on to port and files for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_FOR_PARENT_S)
        end()

    threading.Thread(target=watch, name="bandstand-parent", daemon=True).start()


def learn(settings: Settings, stopping: threading.Event, *, catching_up: AbstractContextManager[Progress]) -> None:
    """Follow the log, learn, and publish, until `stopping`; then write down what was learned.

    What `catching_up` gives is told (done, total) entries read, while it catches up with what no snapshot covers.
    """
    log = _patiently(lambda: open_log(settings.database, readonly=True))
    snapshots = open_snapshots(_where(settings))
    follower = Follower(
        newest_model(snapshots, log, learning=True),
        log,
        snapshots,
        weights_every_s=settings.weights_every_s,
        model_every_s=settings.model_every_s,
        fits_every_s=settings.fits_every_s,
    )
    digesting = threading.Thread(
        target=_keep_digests, args=(follower, log, snapshots, stopping), name="bandstand-digests", daemon=True
    )
    try:
        with catching_up as progress:
            _caught_up(follower, log, stopping, progress)
        digesting.start()
        while not stopping.is_set():
            try:
                if not follower.turn():
                    stopping.wait(_IDLE_S)
            except BandstandError as error:
                if error.code == "damaged":
                    raise  # at the next start a damaged file of snapshots is replaced
                _logger.warning("the learner waits: %s", error)
                stopping.wait(_AFTER_FAILURE_S)
        follower.publish()
        follower.save()
    finally:
        stopping.set()
        if digesting.ident is not None:
            digesting.join(_AFTER_FAILURE_S)  # the next learner begins again what is under way
        snapshots.close()
        log.close()


def _caught_up(follower: Follower, log: EventLog, stopping: threading.Event, progress: Progress) -> None:
    start, head = follower.model.state.seq, log.head()
    while follower.model.state.seq < head and not stopping.is_set():
        follower.turn()
        progress(follower.model.state.seq - start, head - start)
    follower.save()


def _keep_digests(follower: Follower, log: EventLog, snapshots: Snapshots, stopping: threading.Event) -> None:
    """What reports need, kept beside the fold. They can do without it: whatever goes wrong, learning goes on."""
    from bandstand.report.keeping import Keeping  # brings statsmodels, see api.experiments

    keeping = Keeping(log, snapshots)
    while not stopping.wait(_DIGESTS_EVERY_S):
        trials = list(follower.model.state.trials.values())
        going_on = [trial.definition for trial in trials if trial.stage in ("running", "stopped")]
        ended = [trial.definition for trial in trials if trial.stage in ("shipped", "archived")]
        try:
            keeping.turn(going_on, ended=ended)
        except Exception:
            _logger.exception("digests for reports could not be written")


def _committed(engine: Engine, facts: list[AnyFact], at: float) -> None:
    if facts:
        engine.commit(facts, at=at)


def _where(settings: Settings) -> str:
    return settings.snapshots or snapshots_url(settings.database)


def _patiently(open_: Callable[[], T]) -> T:
    """What `open_` opens; tried again for a while, for another process may still be making it, or about to leave it."""
    give_up = time.monotonic() + _WAIT_S
    while True:
        try:
            return open_()
        except StoreError:
            if time.monotonic() > give_up:
                raise
            time.sleep(_IDLE_S)
