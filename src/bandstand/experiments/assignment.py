"""Who takes part in an experiment, and which variant they get: a hash of the unit, so that it needs no memory.

Two hashes are drawn. The layer's decides whether a unit takes part, and is shared by the experiments of a layer, which
keeps them apart; the salt's picks the variant. Were they one, raising the traffic would fill one variant first.
"""

from bandstand.chance import uniform
from bandstand.errors import InputError
from bandstand.events import Request
from bandstand.experiments.definition import Experiment, Variant


def unit(experiment: Experiment, request: Request) -> str | None:
    """The id by which the experiment divides its traffic, or None where the request does not carry it."""
    return request.user if experiment.unit == "user" else request.session


def assign(experiment: Experiment, unit_id: str) -> Variant | None:
    """The unit's variant, the same at every call; None where it does not take part, InputError for an empty id.

    In an interleaving every unit that takes part sees both variants, whichever one comes back.
    """
    if not unit_id:
        raise InputError(
            f"experiment '{experiment.name}': {experiment.unit} is empty, must have 1 to 256 characters; "
            "leave it out where it is not known",
            field=experiment.unit,
        )
    # The segment's start stays when traffic is raised, so that those who took part still do.
    place = uniform("layer", experiment.layer, unit_id) - experiment.traffic_from
    if not 0 <= place < experiment.traffic:
        return None
    place = uniform("variant", experiment.salt or experiment.name, unit_id)
    for one in experiment.variants:
        place -= one.weight
        if place < 0:
            return one
    return experiment.variants[-1]  # the weights' last bit may be missing from their sum
