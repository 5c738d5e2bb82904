"""What must hold for an estimate to be right, in the words a report prints beside it.

Estimates from shrunk weights, or from those of embeddings, are named by whoever combines them, as in
`ips(sums)._replace(method="clipped_ips")`: by the sums alone `ips` cannot know what its weights were.
"""

from collections.abc import Mapping
from types import MappingProxyType

from bandstand.errors import UnknownError

_PROPENSITIES = "the logged propensities are those of the draw, and the logger could show all that the target shows"

SLATE_MODELS: Mapping[str, str] = MappingProxyType(
    {
        "whole_slate": f"nothing about how users read a slate; {_PROPENSITIES}, slate by slate",
        "reward_interaction": "users read from the top: a reward depends on its own pick and the picks above it",
        "independent": "a reward depends on its own pick and position, not on the other picks",
        "position_based": "a click is the item's attraction times the examination of its position, which is known",
        "pseudo_inverse": "the reward of a slate is a sum of a value for each item at its position",
    }
)

SINGLE: Mapping[str, str] = MappingProxyType(
    {
        "ips": _PROPENSITIES,
        "snips": f"{_PROPENSITIES}; in short logs a small bias remains",
        "empirical_likelihood": f"{_PROPENSITIES}; no weight can exceed the largest one given",
        "bernstein": f"{_PROPENSITIES}; no weight can exceed the largest one given",
        "hoeffding": f"{_PROPENSITIES}; no weight can exceed the largest one given",
        "clopper_pearson": "rewards are 0 or 1, and the log is worth its rows divided by the largest weight",
        "rare_events": f"{_PROPENSITIES}; no weight can exceed the largest one given",
        "poisson_bootstrap": f"{_PROPENSITIES}; units are independent, and enough of them have a reward",
        "dm": "the reward model is right for what the target shows; propensities play no part",
        "dr": f"the reward model is right, or {_PROPENSITIES}",
        "sndr": f"the reward model is right, or {_PROPENSITIES}; in short logs a small bias remains",
        "clipped_ips": f"{_PROPENSITIES}; it is too low by the rewards of weights above the limit",
        "clipped_dr": f"the reward model is right for weights above the limit, and {_PROPENSITIES}",
        "switch_dr": f"the reward model is right for weights above the limit, and {_PROPENSITIES}",
        "dros": f"the reward model is right as far as weights are shrunk, and {_PROPENSITIES}",
        "subgaussian_ips": f"{_PROPENSITIES}; a bias grows with the level",
        "subgaussian_dr": f"the reward model is right, or {_PROPENSITIES} and the level is small",
        "mips": "the embedding tells all about the reward, and the logger could show each that the target shows",
        "snmips": "the embedding tells all about the reward, and the logger could show each that the target shows",
        "matched": "the logger chose uniformly, whoever asked",
        "rejection": f"{_PROPENSITIES}; few weights exceed those seen before",
        "off_policy_sequence": f"{_PROPENSITIES}, given all that came before; rewards have the range given",
        "partially_identified": "the logged propensities are those of the draw; what was never shown earns anything",
        "cascade_dr": "users read from the top: a reward depends on its own pick and the picks above it",
        "cascade_sndr": "users read from the top: a reward depends on its own pick and the picks above it",
    }
)


def assumption(method: str) -> str:
    """What the estimate of this `Estimate.method` assumes; `UnknownError` for a method that is not known.

    >>> assumption("independent_snips")
    'a reward depends on its own pick and position, not on the other picks'
    """
    model, _, kind = method.rpartition("_")
    if kind in ("ips", "snips") and model in SLATE_MODELS:
        return SLATE_MODELS[model]
    if method not in SINGLE:
        known = ", ".join([*SINGLE, *(f"{model}_ips" for model in SLATE_MODELS)])
        raise UnknownError(f"method {method!r} is not known; known: {known}.", field="method")
    return SINGLE[method]
