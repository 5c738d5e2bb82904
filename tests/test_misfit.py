"""What is said of a value that does not fit: its field, what it holds, the rule, and what is known there."""

from typing import Any

import msgspec
import pytest

from bandstand.misfit import misfit
from bandstand.strategy import Strategy


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"candidates": 0}, "candidates == 0, must be int >= 1"),
        ({"polcy": {}}, "polcy: unknown field; known: generators, switch, blend, candidates, policy, "),
        ({"policy": {"kind": "frob"}}, 'policy.kind == "frob" is not known; known: '),
        ({"policy": {"kind": "softmax", "temperature": -1.0}}, "policy.temperature == -1.0, must be float > 0.0"),
        ({"policy": {"kind": "softmax", "heat": 1}}, "policy.heat: unknown field; known: temperature, "),
        ({"policy": {"temperature": 1.0}}, "policy.kind: missing; it is required"),
        ({"diversity": {"seen": {"half": 1}}}, "diversity.seen.half: unknown field; known: penalty, half_life_s"),
        ({"switch": [{"when": "dull", "generators": {}}]}, 'switch[0].when == "dull" is not known; known: '),
        ({"switch": 5}, "switch == 5, must be array"),
        (5, "body == 5, must be object"),
    ],
)
def test_field_value_rule_and_what_is_known(fields: Any, says: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(fields, Strategy)
    assert str(misfit(str(refused.value), fields, Strategy)).startswith(says)


def test_every_policy_is_named_where_one_is_not_known() -> None:
    fields = {"policy": {"kind": "frob"}}
    told = str(misfit("Invalid value 'frob' - at `$.policy.kind`", fields, Strategy))
    for kind in ("epsilon_greedy", "softmax", "squarecb", "random", "popular", "fixed"):
        assert kind in told
