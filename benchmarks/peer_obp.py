"""Open Bandit Pipeline's estimators on request: `python -m benchmarks.peer_obp ROWS ACTIONS`, where that has obp.

Prints one line of JSON for each name that comes in: seconds of processor time, and the value. It imports nothing of
ours, so that it runs where we do not (obp declares Python below 3.11).
"""

import importlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np


def log(rows: int, actions: int) -> dict[str, Any]:
    """The same log for both sides: what was shown, and full tables of the target and of a reward model."""
    rng = np.random.default_rng(rows)
    target = rng.exponential(size=(rows, actions))
    target /= target.sum(axis=1, keepdims=True)
    return {
        "reward": rng.binomial(1, 0.1, size=rows),
        "action": rng.integers(0, actions, size=rows),
        "pscore": rng.uniform(0.05, 1.0, size=rows),
        "target": target,
        "predicted": rng.uniform(size=(rows, actions)),
    }


def answers(rows: int, actions: int) -> Iterator[str]:
    ope = importlib.import_module("obp.ope.estimators")
    estimators = {
        "ips": ope.InverseProbabilityWeighting(),
        "snips": ope.SelfNormalizedInverseProbabilityWeighting(),
        "clipped_ips": ope.InverseProbabilityWeighting(lambda_=10),
        "subgaussian_ips": ope.SubGaussianInverseProbabilityWeighting(lambda_=0.1),
        "dm": ope.DirectMethod(),
        "dr": ope.DoublyRobust(),
        "sndr": ope.SelfNormalizedDoublyRobust(),
        "switch_dr": ope.SwitchDoublyRobust(lambda_=10),
        "dros": ope.DoublyRobustWithShrinkage(lambda_=10),
        "subgaussian_dr": ope.SubGaussianDoublyRobust(lambda_=0.1),
    }
    made = log(rows, actions)
    given = {
        "reward": made["reward"],
        "action": made["action"],
        "pscore": made["pscore"],
        "position": np.zeros(rows, dtype=int),
        "action_dist": made["target"][:, :, None],
        "estimated_rewards_by_reg_model": made["predicted"][:, :, None],
    }
    for name in sys.stdin:
        started = time.process_time()
        value = estimators[name.strip()].estimate_policy_value(**given)
        yield json.dumps({"seconds": time.process_time() - started, "value": float(value)})


if __name__ == "__main__":
    for answer in answers(int(sys.argv[1]), int(sys.argv[2])):
        print(answer, flush=True)
