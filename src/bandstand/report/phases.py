"""With which probability units got each variant, where an experiment's weights changed while it ran.

A unit's variant was drawn once, when it was first assigned, by the weights in force then: its place among 64-bit
numbers is independent of when it came. That holds whatever moved since: where the experiment is sticky, later weights
leave it where it is; where traffic was raised, the layer's hash and not the variant's let it in; and of two ids that
turn out to be one person each was drawn by itself.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bandstand.errors import InputError
from bandstand.experiments.definition import Experiment
from bandstand.report.stretch import Floats, Ints, Mask


class Entered(NamedTuple):
    """One row a unit: its variant when it was first assigned, whether or not it was shown anything then, and the phase
    of that moment; -1 before."""

    variant: Ints
    phase: Ints


class Chances(NamedTuple):
    """Probabilities, units × variants, when each was first assigned: of those that are `compared`, with the phase of
    that moment; and of all that took part, crossed ones too, with what was `drawn`, by which the split is judged."""

    compared: Floats
    phase: Ints
    all: Floats
    drawn: Ints


def chances(
    experiment: str, phases: Sequence[Sequence[float]], entered: Entered, *, took_part: Mask, compared: Ints
) -> Chances | None:
    """Of the units that `took_part` and of the rows of those of them that are `compared`, by the weights of each of the
    `phases`.

    None where weights never changed, so that all units had the same. InputError where a decision names a phase that the
    log does not know.
    """
    if len(phases) < 2:
        return None
    weights = np.array(phases)
    variant, phase = entered
    last = phase[took_part].max(initial=0)
    if last >= len(weights):
        raise InputError(
            f"experiment '{experiment}': a decision is of phase {last}, and the log knows the weights of "
            f"{len(weights)}; read it from its beginning",
            field="experiment",
        )
    return Chances(weights[phase[compared]], phase[compared], weights[phase[took_part]], variant[took_part])


def changed(by: Chances | None, among: Mask | Ints) -> bool:
    """Whether weights changed between those `among` the units that are compared, so that plain means of them tell when
    they came as well."""
    return by is not None and len(np.unique(by.phase[among])) > 1


def unfair(experiment: Experiment) -> str | None:
    """Why units that are compared are no fair sample where weights changed, or None."""
    if experiment.coverage < 1:
        return (
            "with a coverage below 1 new weights let units in that came before and were left out, more of one variant "
            "than of another"
        )
    if not experiment.sticky:
        return (
            "the experiment is not sticky, so units went from one variant to another, and those that did not are no "
            "fair sample"
        )
    return None
