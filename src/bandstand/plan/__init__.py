"""Before an experiment: how many units, how many days, and what it could find, from what the log says of a surface."""

from bandstand.plan.needs import METHODS, Need, Plan, plan
from bandstand.plan.replayed import Replayed, replayed
from bandstand.plan.traffic import Kind, Traffic, traffic

__all__ = ["METHODS", "Kind", "Need", "Plan", "Replayed", "Traffic", "plan", "replayed", "traffic"]
