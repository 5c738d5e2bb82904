"""What people buy of what they clicked, and for how much."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit

from bandstand.errors import InputError
from bandstand.events import ItemPut
from bandstand.simulate.browsing import Floats
from bandstand.simulate.nature import Purchases
from bandstand.simulate.people import Chance
from bandstand.simulate.tastes import normal


class Shopping:
    """P(purchase | click) = expit(logit(rate) − dear · log(amount / median) + spread · normal(item))"""

    def __init__(self, items: Sequence[ItemPut], purchases: Purchases, chance: Chance) -> None:
        """InputError where no item has an amount."""
        self.amounts = np.array([_number(item.features.get(purchases.amount)) for item in items])
        sold = self.amounts > 0
        if not sold.any():
            raise InputError(
                f"purchases.amount == '{purchases.amount}', must be a feature of the items that is a number above 0",
                field="world.purchases",
            )
        dear = np.log(np.where(sold, self.amounts, 1.0) / np.median(self.amounts[sold]))
        own = np.array([normal(chance, "appeal to buy", item.item) for item in items])
        logits = logit(purchases.rate) - purchases.dear * dear + purchases.spread * own
        self.rates: Floats = np.where(sold, expit(logits), 0.0)
        self.delay_s = purchases.delay_s

    @property
    def worths(self) -> Floats:
        """float64[items]: what a click on each brings in on average."""
        return np.asarray(self.rates * self.amounts, np.float64)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
