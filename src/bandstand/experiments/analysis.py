"""How an experiment will be judged, written down before it starts: the method of inference and the rule."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from bandstand.experiments.metrics import Fault

Inference = Literal["always-valid", "fixed", "bayesian", "group-sequential"]
Correction = Literal["holm", "hochberg", "benjamini-hochberg", "benjamini-yekutieli", "none"]


class Analysis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rule by which figures become a verdict; it cannot change once the experiment runs.

    `always-valid` intervals may be looked at, and acted upon, every day; `fixed` ones once, when `units` took part;
    `group-sequential` ones at `looks` moments on the way there; `bayesian` ones tell how likely a variant is better.
    `units` are of all variants together, those at which you expect to decide: the always-valid interval is narrowest
    there. `correction` is for the decision metrics' p-values. `minimum_effect` is the least lift worth having: where
    the interval has come to lie below it, the experiment stops. Bayesian: `prior_std` is the spread of lifts that is
    expected before, and a variant ships when it is better with probability 1 − α/2 and the expected loss is at most
    `accepted_loss` of the control's value. `segments` are context fields by which the decision metrics are broken down.
    With `trigger` "changed" each decision is ranked for every variant, and a unit takes part from the first one on at
    which the variants' slates differ: where they seldom do, far fewer units are needed.
    """

    method: Inference = "always-valid"
    units: int = 5000  # GrowthBook's default tuning parameter of its sequential test
    looks: int = 5
    correction: Correction = "holm"
    minimum_effect: float | None = None
    prior_std: float = 0.3  # GrowthBook's default proper prior
    accepted_loss: float = 0.0025  # ours: a quarter of one per cent
    segments: tuple[str, ...] = ()
    trigger: Literal["exposed", "changed"] = "exposed"


def faults(analysis: Analysis) -> Iterator[Fault]:
    """Everything that speaks against the rule."""
    if analysis.units < 2:
        yield Fault(f"units is {analysis.units}, must be at least 2; say how many you expect to take part", "units")
    if not 1 <= analysis.looks <= 50:
        yield Fault(f"looks is {analysis.looks}, must be from 1 to 50; for more take method 'always-valid'", "looks")
    elif analysis.method == "group-sequential" and analysis.looks > analysis.units >= 2:
        yield Fault(f"looks is {analysis.looks}, must be at most units, {analysis.units}; name more units", "looks")
    for name in sorted({one for one in analysis.segments if analysis.segments.count(one) > 1}):
        yield Fault(f"segment '{name}' is named twice; name it once", "segments")
    if analysis.minimum_effect is not None and not analysis.minimum_effect > 0:
        yield Fault(
            f"minimum_effect is {analysis.minimum_effect:g}, must be above 0; 0.01 is a lift of one per cent",
            "minimum_effect",
        )
    for field in ("prior_std", "accepted_loss"):
        if not getattr(analysis, field) > 0:
            yield Fault(f"{field} is {getattr(analysis, field):g}, must be above 0", field)
