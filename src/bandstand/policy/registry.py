"""Every policy there is. A strategy names one by its `kind`."""

from bandstand.policy.baseline import Fixed, Popular, Random
from bandstand.policy.explore import EpsilonGreedy, Softmax, SquareCB

AnyPolicy = EpsilonGreedy | Softmax | SquareCB | Random | Popular | Fixed
