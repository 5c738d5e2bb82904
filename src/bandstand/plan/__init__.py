"""Before an experiment: how many units, how many days, and what it could find, from what the log says of a surface."""

from bandstand.plan.needs import METHODS, Need, Plan, plan
from bandstand.plan.preferences import Preferring, preferring
from bandstand.plan.preferences import tried as tried_preferring
from bandstand.plan.replayed import Replayed, replayed
from bandstand.plan.traffic import Kind, Traffic, traffic

__all__ = [
    "METHODS",
    "Kind",
    "Need",
    "Plan",
    "Preferring",
    "Replayed",
    "Traffic",
    "plan",
    "preferring",
    "replayed",
    "traffic",
    "tried_preferring",
]
