"""Before an experiment: how many units, how many days, and what it could find, from what the log says of a surface."""

from bandstand.plan.methods import METHODS, USUAL, Method, Rule, power_by_formula
from bandstand.plan.needs import Need, Plan, plan
from bandstand.plan.preferences import Preferring, preferring
from bandstand.plan.preferences import tried as tried_preferring
from bandstand.plan.proposed import Proposal, proposed
from bandstand.plan.replayed import Replayed, Tried, replayed
from bandstand.plan.traffic import Kind, Traffic, traffic

__all__ = [
    "METHODS",
    "USUAL",
    "Kind",
    "Method",
    "Need",
    "Plan",
    "Preferring",
    "Proposal",
    "Replayed",
    "Rule",
    "Traffic",
    "Tried",
    "plan",
    "power_by_formula",
    "preferring",
    "proposed",
    "replayed",
    "traffic",
    "tried_preferring",
]
