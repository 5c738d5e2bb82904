"""Who gets which variant: evenly, independently, and the same for ever."""

import hashlib
from timeit import repeat

import pytest
from msgspec.structs import replace
from scipy.stats import chi2_contingency, chisquare

from bandstand.errors import InputError
from bandstand.events import Request
from bandstand.experiments.assignment import assign, unit
from bandstand.experiments.definition import Experiment, Variant

HALVES = Experiment("checkout", "home", (Variant("control", "default", 0.5), Variant("treatment", "explore", 0.5)))
UNEVEN = replace(
    HALVES, variants=tuple(Variant(name, "default", weight) for name, weight in (("a", 0.1), ("b", 0.3), ("c", 0.6)))
)
USERS = [f"user-{k}" for k in range(20_000)]

# Assignments that were made stay: whoever changes these reshuffles the units of every running experiment. Each unit's
# place in layer "default" and in salt "checkout" (computed by `reference`), and its variants of HALVES and UNEVEN.
GOLDEN = {
    "u1": (0.20725885296743796, 0.7701322116587898, "treatment", "c"),
    "u42": (0.6838953263402678, 0.5345517167128498, "treatment", "c"),
    "user-7": (0.4569374359474404, 0.7168810363064185, "treatment", "c"),
    "9f1c6b1e-3f0c-4e56-9a77-1d2f0f6f5d11": (0.509591464389588, 0.1320138097721466, "control", "b"),
    "a/b": (0.4426110785750519, 0.017544390751789374, "control", "a"),
    "ﬁ é 漢字": (0.37084277955745304, 0.17261592706578333, "control", "b"),
    "😀user": (0.525791008454219, 0.7452012449323601, "treatment", "c"),
    "x" * 256: (0.8482794640317679, 0.030764284460650826, "control", "a"),
    " ": (0.4526615505384066, 0.3917485212240982, "control", "b"),
}


def reference(*parts: str) -> float:
    """BLAKE2b-64 over UTF-8 parts, each after its length in four bytes; the top 53 bits as a fraction."""
    framed = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return (int.from_bytes(hashlib.blake2b(framed, digest_size=8).digest(), "big") >> 11) / 2**53


def assigned(experiment: Experiment, unit_id: str) -> str | None:
    variant = assign(experiment, unit_id)
    return None if variant is None else variant.name


def counts(experiment: Experiment, units: list[str]) -> list[int]:
    names = [assigned(experiment, one) for one in units]
    return [names.count(variant.name) for variant in experiment.variants]


@pytest.mark.parametrize("unit_id", GOLDEN, ids=lambda unit_id: unit_id[:20])
def test_golden_assignments_hold_for_ever(unit_id: str) -> None:
    layer, salt, of_halves, of_uneven = GOLDEN[unit_id]
    assert (reference("layer", "default", unit_id), reference("variant", "checkout", unit_id)) == (layer, salt)
    assert (assigned(HALVES, unit_id), assigned(UNEVEN, unit_id)) == (of_halves, of_uneven)
    assert of_halves == ("control" if salt < 0.5 else "treatment")
    for traffic_from in (0.0, 0.25, 0.5, 0.75):
        quarter = replace(HALVES, traffic=0.25, traffic_from=traffic_from)
        assert (assigned(quarter, unit_id) is not None) == (traffic_from <= layer < traffic_from + 0.25)


@pytest.mark.parametrize("experiment", [HALVES, UNEVEN], ids=["halves", "uneven"])
@pytest.mark.parametrize("style", ["user-{}", "{:032x}", "😀{}", "x" * 240 + "{}"])
def test_units_fall_evenly_by_weight(experiment: Experiment, style: str) -> None:
    # 8 fixed samples; at 0.001 one of them would fail by chance in less than 1 % of hash functions.
    found = counts(experiment, [style.format(k) for k in range(20_000)])
    assert chisquare(found, [20_000 * variant.weight for variant in experiment.variants]).pvalue > 0.001


def test_two_experiments_split_their_units_independently() -> None:
    other = replace(HALVES, name="search")
    table = [[0, 0], [0, 0]]
    for one in USERS:
        table[assigned(HALVES, one) == "control"][assigned(other, one) == "control"] += 1
    assert chi2_contingency(table).pvalue > 0.001


def test_taking_part_does_not_depend_on_the_variant() -> None:
    # One hash for both would put everybody in the first tenth of the layer into the control.
    tenth = replace(HALVES, traffic=0.1)
    found = counts(tenth, USERS)
    assert chisquare(found).pvalue > 0.001
    assert chisquare([sum(found), len(USERS) - sum(found)], [2000, 18_000]).pvalue > 0.001


def test_experiments_of_a_layer_share_no_unit_and_leave_none_out() -> None:
    low, high = replace(HALVES, traffic=0.3), replace(HALVES, name="search", traffic=0.7, traffic_from=0.3)
    assert all((assign(low, one) is None) != (assign(high, one) is None) for one in USERS)


def test_layers_are_independent_of_each_other() -> None:
    low, other = replace(HALVES, traffic=0.5), replace(HALVES, traffic=0.5, layer="prices")
    table = [[0, 0], [0, 0]]
    for one in USERS:
        table[assign(low, one) is None][assign(other, one) is None] += 1
    assert chi2_contingency(table).pvalue > 0.001


def test_raising_traffic_keeps_everybody_who_took_part_in_place() -> None:
    before = {one: assigned(replace(HALVES, traffic=0.2, traffic_from=0.1), one) for one in USERS}
    after = {one: assigned(replace(HALVES, traffic=0.6, traffic_from=0.1), one) for one in USERS}
    assert all(after[one] == name for one, name in before.items() if name is not None)
    assert sum(name is not None for name in after.values()) > sum(name is not None for name in before.values())


def test_another_salt_splits_anew() -> None:
    assert {one for one in USERS if assigned(HALVES, one) != assigned(replace(HALVES, salt="again"), one)}
    assert counts(replace(HALVES, name="renamed", salt="checkout"), USERS) == counts(HALVES, USERS)


@pytest.mark.parametrize("weights", [(0.1,) * 10, (1 / 3,) * 3])
def test_weights_that_round_below_one_leave_nobody_without_a_variant(weights: tuple[float, ...]) -> None:
    experiment = replace(HALVES, variants=tuple(Variant(f"v{k}", "default", w) for k, w in enumerate(weights)))
    assert None not in {assigned(experiment, one) for one in USERS}


def test_an_empty_id_is_refused_since_it_is_everybody() -> None:
    with pytest.raises(InputError, match="'checkout': user is empty, must have 1 to 256 characters") as caught:
        assign(HALVES, "")
    assert caught.value.field == "user"


def test_the_unit_is_the_user_or_the_session_of_the_request() -> None:
    request = Request("home", 0.0, user="u", session="s")
    assert unit(HALVES, request) == "u"
    assert unit(replace(HALVES, unit="session"), request) == "s"
    assert unit(HALVES, Request("home", 0.0)) is None


def test_an_assignment_takes_microseconds() -> None:
    # The aim is 5 µs, 2 µs were measured; the bound leaves room for a busy machine.
    assert min(repeat(lambda: assign(HALVES, "user-12345"), number=2000, repeat=5)) / 2000 < 20e-6
