"""A policy of somebody's own: what it answers is checked, where one that ships is trusted."""

from typing import NamedTuple, get_args

import numpy as np

from bandstand.errors import InputError
from bandstand.policy import Policy, Probabilities, ScoredBy, Scores, Slot

_ROUNDING = 1e-6


class Own(NamedTuple):
    """The policy, as one of those that ship is asked. InputError where it does not answer as `Policy` says."""

    policy: Policy
    scored_by: ScoredBy

    def probabilities(self, scores: Scores, slot: Slot) -> Probabilities:
        try:
            found = np.asarray(self.policy.probabilities(scores, slot), np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{_name(self.policy)}: its probabilities cannot be had ({error})", field="policy"
            ) from error
        if found.shape != (len(scores),):
            raise InputError(
                f"{_name(self.policy)}: its probabilities have shape {found.shape}, must be ({len(scores)},): one for "
                "each item still left",
                field="policy",
            )
        if not (found.min() >= 0.0 and abs(found.sum() - 1.0) <= _ROUNDING):  # which no NaN is
            raise InputError(
                f"{_name(self.policy)}: its probabilities begin at {found.min():g} and sum to {found.sum():g}, must be "
                "at least 0 and sum to 1",
                field="policy",
            )
        return found


def own(policy: Policy) -> Own:
    """InputError where it lacks what a policy must have."""
    scored_by: ScoredBy = getattr(policy, "scored_by", None)  # type: ignore[assignment]
    if scored_by not in get_args(ScoredBy):
        raise InputError(
            f"{_name(policy)}: scored_by is {scored_by!r}, must be one of: {', '.join(get_args(ScoredBy))}",
            field="policy",
        )
    if not callable(getattr(policy, "probabilities", None)):
        raise InputError(f"{_name(policy)}: has no probabilities(scores, slot); see bandstand.policy", field="policy")
    return Own(policy, scored_by)


def _name(policy: Policy) -> str:
    return f"policy '{type(policy).__name__}'"
