"""Random histories of an experiment: whatever may happen to it, in any order that a log can have."""

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from bandstand.erasure import erase
from bandstand.events import (
    Assignment,
    Decided,
    Draft,
    ExperimentMoved,
    ExperimentPut,
    Exposed,
    Interacted,
    Pick,
    Request,
    Rewarded,
)
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment
from bandstand.experiments.metrics import Metric
from bandstand.store import EventLog

from .logs import DAY, TWO

METRICS = (
    Metric("mean", "click"),
    Metric("buyers", "buy", "proportion"),
    Metric("rate", "click", "ratio"),
    Metric("basket", "buy", "ratio", per="click", role="guardrail", margin=0.1),
    Metric("early rate", "click", "ratio", window_s=DAY / 4),
    Metric("median", "buy", "quantile"),
    Metric("back", kind="retention", after_days=0.5, window_s=DAY),
    Metric("revenue", "buy", cap=0.9, role="secondary"),
    Metric("mix", kind="custom", expression="sum('buy') - count('click') + interactions('view') / 2 + decisions"),
    Metric("adjusted", "buy", covariates=("before", "interactions('view')"), before_days=2.0),
    Metric("adjusted rate", "click", "ratio", covariates=("before",), cap=0.8),
)
USERS = ("ann", "bob", "cem", "dan", "eve")

experiments = st.builds(
    lambda metrics, analysis, unit: replace(
        Experiment("x", "home", TWO, metrics=tuple(dict.fromkeys(metrics))), analysis=analysis, unit=unit
    ),
    st.lists(st.sampled_from(METRICS), min_size=1, max_size=4),
    st.builds(
        Analysis,
        st.sampled_from(["always-valid", "fixed", "bayesian", "group-sequential"]),
        units=st.just(4),
        looks=st.just(2),
        segments=st.sampled_from([(), ("tab",), ("tab", "hour")]),
        trigger=st.sampled_from(["exposed", "exposed", "changed"]),
    ),
    st.sampled_from(["user", "user", "user", "session", "device"]),
)

_user, _number = st.sampled_from(USERS), st.integers(0, 30)
_decided = st.fixed_dictionaries(
    {
        "does": st.just("decided"),
        "user": st.none() | _user,
        "session": st.none() | st.sampled_from(["s1", "s2", "s3", "s4"]),
        "device": st.none() | st.sampled_from(["d1", "d2", "d3"]),
        "variant": st.sampled_from([None, None, None, "control", "treatment", "forced", "elsewhere"]),
        "shown": st.sampled_from([True, True, False]),
        "first": st.sampled_from([0, 3]),
        "picks": st.integers(0, 3),
        "differs": st.booleans(),
        "both teach": st.sampled_from([False] * 19 + [True]),
        "context": st.fixed_dictionaries({}, optional={"tab": st.sampled_from(["a", "b"]), "hour": st.integers(0, 2)}),
    }
)
_exposed = st.fixed_dictionaries(
    {
        "does": st.just("exposed"),
        "of": _number,
        "positions": st.none() | st.lists(st.integers(0, 6), max_size=3).map(tuple),
    }
)
_rewarded = st.fixed_dictionaries(
    {
        "does": st.just("rewarded"),
        "of": _number,
        "name": st.sampled_from(["click", "buy", "other"]),
        "value": st.sampled_from([1.0, 0.1, -0.3, 7.77]),
        "position": st.none() | st.integers(0, 4),
    }
)
_interacted = st.fixed_dictionaries(
    {"does": st.just("interacted"), "user": st.none() | _user, "name": st.sampled_from(["view", "like"])}
)
_erased = st.fixed_dictionaries({"does": st.just("erased"), "user": _user})
_ended = st.fixed_dictionaries({"does": st.just("moved"), "to": st.sampled_from(["running", "stopped"])})

doings = st.lists(
    st.tuples(
        st.one_of(_decided, _decided, _decided, _rewarded, _rewarded, _exposed, _interacted, _erased, _ended),
        st.sampled_from([0.0, 1.0, 0.1 * DAY, 0.7 * DAY, -5.0]),  # several servers' clocks agree to seconds only
    ),
    max_size=40,
)


def defined(log: EventLog, experiment: Experiment, at: float) -> None:
    log.append([Draft(ExperimentPut(experiment.name, msgspec.Raw(msgspec.json.encode(experiment))), at)])


def happen(log: EventLog, doing: dict[str, object], at: float, *, decided: list[Decided]) -> None:
    """Write it down; nothing where it is about a decision that there is not."""
    of = decided[int(str(doing["of"])) % len(decided)] if "of" in doing and decided else None
    match doing["does"]:
        case "decided":
            decided.append(_decision(doing, f"d{len(decided)}", at))
            log.append([Draft(decided[-1], at)])
        case "exposed" if of is not None:
            positions = doing["positions"]
            assert positions is None or isinstance(positions, tuple)
            log.append([Draft(Exposed(of.decision, positions), at)])
        case "rewarded" if of is not None:
            reward = {name: doing[name] for name in ("name", "value", "position")}
            about = {"decision": of.decision, "surface": "home", "user": of.request.user, "session": of.request.session}
            log.append([Draft(msgspec.convert(reward | about, Rewarded), at)])
        case "interacted":
            log.append([Draft(Interacted("i", str(doing["name"]), doing["user"] and str(doing["user"])), at)])
        case "erased":
            log.append([Draft(erase(log, str(doing["user"]), pseudonym=f"erased-{log.head()}"), at)])
        case "moved":
            log.append([Draft(msgspec.convert({"name": "x", "to": doing["to"]}, ExperimentMoved), at)])


def _decision(doing: dict[str, object], name: str, at: float) -> Decided:
    asked = {key: doing[key] for key in ("user", "session", "device", "shown", "context")}
    request = msgspec.convert(asked | {"surface": "home", "time": at, "first_position": doing["first"]}, Request)
    variant = doing["variant"]
    if variant is None:  # as it should be: each user has one, and so have most who are the same person
        variant = ("control", "treatment")[USERS.index(str(doing["user"] or "eve")) % 2]
    assigned = {
        "forced": Assignment("x", "control", "default", forced=True),
        "elsewhere": Assignment("y", "control", "default"),
    }.get(str(variant), Assignment("x", str(variant), "default"))
    first = int(str(doing["first"]))
    return Decided(
        name,
        request,
        "default",
        tuple(Pick(f"i{k}", first + k, 0.2, 0.0) for k in range(int(str(doing["picks"])))),
        0,
        teaches=("x/control", "x/treatment") if doing["both teach"] else ("x/control",),
        assignments=(assigned,),
        rankings={"control": ("a", "b"), "treatment": ("b", "a") if doing["differs"] else ("a", "b")},
    )
