"""Before an experiment: how many units, how many days, and what it could find, from what the log says of a surface."""

from bandstand.plan.needs import METHODS, Need, Plan, plan
from bandstand.plan.preferences import Preferring, preferring
from bandstand.plan.preferences import tried as tried_preferring
from bandstand.plan.proposed import Proposal, proposed
from bandstand.plan.replayed import Replayed, replayed
from bandstand.plan.traffic import Kind, Traffic, traffic

__all__ = [
    "METHODS",
    "Kind",
    "Need",
    "Plan",
    "Preferring",
    "Proposal",
    "Replayed",
    "Traffic",
    "plan",
    "preferring",
    "proposed",
    "replayed",
    "traffic",
    "tried_preferring",
]
