"""Who takes part in an experiment, and which variant they get: a hash of the unit, so that it needs no memory.

Two hashes are drawn. The layer's decides whether a unit takes part, and is shared by the experiments of a layer, which
keeps them apart; the salt's picks the variant. Were they one, raising the traffic would fill one variant first. Both
are 64 bits of a keyed hash, compared with whole numbers, so that no share is too small and no edge belongs to two.
"""

from bandstand.chance import bits
from bandstand.errors import InputError
from bandstand.events import Request
from bandstand.experiments import growthbook, optimizely
from bandstand.experiments.definition import Experiment, Variant, edge, segment
from bandstand.experiments.freeze import FROZEN


def unit(experiment: Experiment, request: Request) -> str | None:
    """The id by which the experiment divides its traffic, or None where the request does not carry it."""
    match experiment.unit:
        case "user":
            return request.user
        case "session":
            return request.session
        case "device":
            return request.device


def assign(experiment: Experiment, unit_id: str) -> Variant | None:
    """The unit's variant, the same at every call; None where it does not take part, InputError for an empty id.

    Raising `traffic` (or `coverage`) keeps everybody who took part in their variant. Changing the weights of two
    variants moves only units of the one that shrinks; of more than two, units of others as well.

    In an interleaving every unit that takes part sees both variants, whichever one comes back.
    """
    if not unit_id:
        raise InputError(
            f"experiment '{experiment.name}': {experiment.unit} is empty, must have 1 to 256 characters; "
            "leave it out where it is not known",
            field=experiment.unit,
        )
    salt = experiment.salt or experiment.name
    if experiment.hash != "bandstand":
        return _theirs(experiment, salt, unit_id)
    # The segment's start stays when traffic is raised, so that those who took part still do.
    start, end = segment(experiment)
    if not start <= bits("layer", experiment.layer, unit_id) < end:
        return None
    place = bits("variant", salt, unit_id)
    upto = 0
    for one in experiment.variants:
        upto += int(one.weight * 2.0**64)
        if place < upto:
            return one
    return experiment.variants[-1]  # the weights' last bit may be missing from their sum


def held_out(share: float, request: Request) -> bool:
    """Whether this request belongs to the share of people who take part in no experiment at all.

    They are told apart by user; by device or session where that is not known. Raising the share keeps those who were
    held out, and lowering it lets no others in.
    """
    who = next((one for one in (request.user, request.device, request.session) if one is not None), None)
    return who is not None and bits("holdout", who) < edge(share)


def frozen(experiment: Experiment, unit_id: str) -> bool:
    """Whether the unit is of the share that frozen weights serve; by a hash of its own, whatever its variant."""
    if experiment.frozen is None:
        return False
    return bits(FROZEN, experiment.salt or experiment.name, unit_id) < edge(experiment.frozen.share)


def _theirs(experiment: Experiment, salt: str, unit_id: str) -> Variant | None:
    """The layer is the namespace or exclusion group, the salt the seed or the experiment's id."""
    start, end = experiment.traffic_from, experiment.traffic_from + experiment.traffic
    within = growthbook.within if experiment.hash == "growthbook" else optimizely.within
    if not (start == 0 and end == 1) and not within(experiment.layer, unit_id, start=start, end=end):
        return None
    weights = [one.weight for one in experiment.variants]
    if experiment.hash == "optimizely":
        index = optimizely.chosen(optimizely.bucket(salt, unit_id), weights, coverage=experiment.coverage)
        return experiment.variants[index] if index >= 0 else None
    among = growthbook.ranges(len(weights), coverage=experiment.coverage, weights=weights)
    place = growthbook.place(salt, unit_id)
    assert place is not None
    index = growthbook.chosen(place, among)
    return experiment.variants[index] if index >= 0 else None
