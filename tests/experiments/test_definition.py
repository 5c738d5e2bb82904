"""What an experiment may say, and what is said where it may not."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bandstand.errors import InputError, UnknownError
from bandstand.experiments.analysis import Analysis
from bandstand.experiments.definition import Experiment, Metric, Variant, check, parse, problems, segment, variant

FOLDER = Path(__file__).parents[2] / "experiments"
HALVES = (Variant("control", "default", 0.5), Variant("treatment", "explore", 0.5))
KNOWN: dict[str, Any] = {"surfaces": ["home", "related"], "strategies": ["default", "explore", "popular", "random"]}


def experiment(**fields: Any) -> Experiment:
    return Experiment(**{"name": "x", "surface": "home", "variants": HALVES} | fields)


def complaints(given: Experiment, *running: Experiment) -> list[tuple[str, str]]:
    return [tuple(problem) for problem in problems(given, **KNOWN, running=running)]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_file_in_the_folder_is_a_sound_experiment_named_like_its_file(path: Path) -> None:
    given = parse(tomllib.loads(path.read_text("utf-8")))
    assert given.name == path.stem
    assert complaints(given) == []


def test_readme_describes_every_field_and_lists_every_file() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    for name in Experiment.__struct_fields__:
        assert f"`{name}`" in readme or f"`[[{name}]]`" in readme
    for path in FOLDER.glob("*.toml"):
        assert f"`{path.name}`" in readme


def test_toml_and_json_describe_the_same_experiment() -> None:
    given = tomllib.loads((FOLDER / "bandit-vs-popular.toml").read_text("utf-8"))
    assert parse(msgspec.json.decode(msgspec.json.encode(given))) == parse(given)


def test_an_experiment_survives_its_own_json() -> None:
    given = experiment(
        salt="s",
        traffic=0.1,
        surface=None,
        surfaces=("home", "related"),
        metrics=(Metric("m", "sale", "ratio", "guardrail"), Metric("c", "click")),
    )
    assert parse(msgspec.json.decode(msgspec.json.encode(given))) == given


def test_clicks_per_user_decide_where_no_metric_is_named() -> None:
    assert experiment().metrics == (Metric("click", "click", "mean", "decision"),)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"surface": "home"}, "name", "experiment: name: missing; it is required"),
        (
            {"name": "x", "surface": "home", "variants": [{"strategy": "s", "weight": 1}]},
            "variants[0].name",
            "experiment 'x': variants[0].name: missing; it is required",
        ),
        (
            {"name": "x", "surface": "home", "variants": [], "trafic": 1},
            "trafic",
            f"experiment 'x': trafic: unknown field; known: {', '.join(Experiment.__struct_fields__)}",
        ),
        (
            {"name": "x", "surface": "home", "variants": [], "traffic": "all"},
            "traffic",
            "experiment 'x': traffic == \"all\", must be float",
        ),
        (
            {"name": "x", "surface": "home", "unit": "household"},
            "unit",
            "experiment 'x': unit == \"household\" is not known; known: device, session, user",
        ),
        (
            {"name": "x", "surface": "home", "metrics": [{"name": "m", "reward": "click", "role": "goal"}]},
            "metrics[0].role",
            "experiment 'x': metrics[0].role == \"goal\" is not known; known: decision, guardrail, secondary",
        ),
        (
            {"name": "x", "surface": "home", "metrics": [{"name": "m", "reward": "click", "kind": "average"}]},
            "metrics[0].kind",
            "experiment 'x': metrics[0].kind == \"average\" is not known; known: custom, mean, proportion, quantile, "
            "ratio, retention",
        ),
        (
            {"name": "x", "surface": "home", "analysis": {"trigger": "seen"}},
            "analysis.trigger",
            "experiment 'x': analysis.trigger == \"seen\" is not known; known: changed, exposed",
        ),
        (
            {"name": "", "surface": "home", "variants": []},
            "name",
            "experiment '': name == \"\", must be str of length >= 1",
        ),
        ([], None, "experiment: body is an array, must be object"),
    ],
)
def test_a_misshapen_body_is_refused_with_the_field(body: object, field: str | None, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(body)
    assert (str(caught.value), caught.value.field) == (message, field)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"surface": "hmoe"}, "surface", "surface 'hmoe' is not defined; known: home, related"),
        ({"surface": None}, "surface", "surface is missing; name one of: home, related"),
        (
            {"surface": None, "surfaces": ("home", "hmoe")},
            "surfaces",
            "surface 'hmoe' is not defined; known: home, related",
        ),
        (
            {"surfaces": ("home", "related")},
            "surfaces",
            "surface and surfaces are both given; name all of them in surfaces",
        ),
        ({"surface": None, "surfaces": ("home", "home")}, "surfaces", "surface 'home' is named twice; name it once"),
        (
            {"coverage": 0.5},
            "coverage",
            "coverage is 0.5, which is for the hashes of others; give the share in traffic",
        ),
        ({"duration_days": 0.0}, "duration_days", "duration_days is 0, must be above 0"),
        (
            {"starts": -1.0},
            "starts",
            "starts is -1, must be a time with its offset, as 2026-12-01T08:00:00Z",
        ),
        (
            {"method": "interleave", "sticky": True},
            "sticky",
            "an interleaving shows every variant to everybody; leave sticky out",
        ),
        (
            {"variants": ()},
            "variants",
            "0 variants, must be at least 2; a comparison needs a control and a treatment",
        ),
        (
            {"variants": (HALVES[0], Variant("b", "y", 0.5))},
            "variants[1].strategy",
            "strategy 'y' is not defined; known: default, explore, popular, random",
        ),
        (
            {"variants": (Variant("only", "default", 1.0),)},
            "variants",
            "1 variants, must be at least 2; a comparison needs a control and a treatment",
        ),
        (
            {"variants": (Variant("a", "default", 0.5), Variant("a", "explore", 0.5))},
            "variants",
            "variant 'a' is defined twice; give each its own name",
        ),
        (
            {"variants": (Variant("a/b", "default", 0.5), Variant("c", "explore", 0.5))},
            "variants[0].name",
            "variant 'a/b': the name must not contain '/'",
        ),
        (
            {"variants": (Variant("a", "default", 0.5), Variant("b", "explore", 0.6))},
            "variants",
            "the weights add up to 1.1, must be 1; as shares: a 0.454545454545, b 0.545454545455",
        ),
        ({"traffic": 0.0}, "traffic", "traffic is 0, must be above 0; leave it a draft where nobody should see it"),
        (
            {"traffic": 0.5, "traffic_from": 0.6},
            "traffic_from",
            "traffic 0.5 from 0.6 on covers [0.6, 1.1) of layer 'default', must lie within [0, 1]",
        ),
        ({"alpha": 5.0}, "alpha", "alpha is 5, must be between 0 and 1, as 0.05"),
        (
            {"metrics": (Metric("m", "click", role="secondary"),)},
            "metrics",
            "no metric has the role 'decision'; name the one that decides",
        ),
        (
            {"metrics": (Metric("m", "click"), Metric("m", "sale"))},
            "metrics",
            "metric 'm' is defined twice; give each its own name",
        ),
        (
            {"method": "interleave", "variants": (Variant("a", "default", 0.3), Variant("b", "explore", 0.7))},
            "variants",
            "an interleaving drafts from all variants alike; give each the weight 0.5",
        ),
        (
            {
                "method": "interleave",
                "variants": tuple(Variant(f"v{weight}", "default", weight) for weight in (0.5, 0.3, 0.2)),
            },
            "variants",
            # With fewer digits the three would not add up to 1.
            "an interleaving drafts from all variants alike; give each the weight 0.3333333333",
        ),
        (
            {"analysis": Analysis("group-sequential", units=10, looks=50)},
            "analysis.looks",
            "analysis: looks is 50, must be at most units, 10; name more units",
        ),
        (
            {"analysis": Analysis(segments=("device", "tab", "device"))},
            "analysis.segments",
            "analysis: segment 'device' is named twice; name it once",
        ),
        (
            {"method": "interleave", "analysis": Analysis("bayesian")},
            "analysis.method",
            "method 'bayesian' is for 'ab'; judge an interleaving by 'always-valid' or 'fixed'",
        ),
    ],
)
def test_each_problem_names_subject_value_rule_and_remedy(fields: dict[str, Any], field: str, message: str) -> None:
    assert complaints(experiment(**fields)) == [(f"experiment 'x': {message}", field)]


@pytest.mark.parametrize("field", ["traffic", "traffic_from", "alpha"])
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -1.0])
def test_numbers_out_of_range_are_refused(field: str, poison: float) -> None:
    assert len(complaints(experiment(**{field: poison}))) == 1


@pytest.mark.parametrize("weight", [0.0, -0.5, float("nan"), float("inf")])
def test_a_weight_must_be_a_share(weight: float) -> None:
    found = complaints(experiment(variants=(Variant("a", "default", weight), Variant("b", "explore", 1.0))))
    assert "variants[0].weight" in [field for _, field in found]


@pytest.mark.parametrize("interleave", ["balanced", "optimised"])
def test_some_interleavings_have_exactly_two_variants(interleave: str) -> None:
    thirds = tuple(Variant(name, "default", 1 / 3) for name in "abc")
    message = (
        f"experiment 'x': 3 variants, interleaving by '{interleave}' takes at most 2; interleave by 'team_draft', "
        "'probabilistic', or compare in pairs"
    )
    found = complaints(experiment(method="interleave", interleave=interleave, variants=thirds))
    assert found == [(message, "variants")]


@pytest.mark.parametrize("interleave", ["team_draft", "probabilistic"])
def test_others_have_up_to_eight(interleave: str) -> None:
    def of(count: int) -> list[tuple[str, str]]:
        variants = tuple(Variant(f"v{k}", "default", 1 / count) for k in range(count))
        return complaints(experiment(method="interleave", interleave=interleave, variants=variants))

    assert of(8) == []
    assert [message.partition(" takes ")[2] for message, _ in of(9)] == [
        "at most 8; compare them with method 'ab', or compare in pairs"
    ]


def test_shares_that_are_named_instead_are_accepted() -> None:
    percents = experiment(variants=(Variant("a", "default", 33.0), Variant("b", "explore", 66.0)))
    (message,) = [text for text, field in complaints(percents) if field == "variants"]
    named = [float(one.split()[1]) for one in message.partition("as shares: ")[2].split(", ")]
    assert named == pytest.approx([1 / 3, 2 / 3])
    assert complaints(experiment(variants=tuple(map(Variant, "ab", ["default", "explore"], named)))) == []


def test_weights_written_in_decimal_add_up() -> None:
    tenths = tuple(Variant(f"v{k}", "default", 0.1) for k in range(10))
    assert sum(one.weight for one in tenths) != 1
    assert complaints(experiment(variants=tenths)) == []


def test_all_problems_are_listed_and_the_first_is_raised() -> None:
    bad = experiment(surface="nowhere", alpha=0.0)
    assert [field for _, field in complaints(bad)] == ["surface", "alpha"]
    with pytest.raises(InputError, match="surface 'nowhere' is not defined") as caught:
        check(bad, **KNOWN)
    assert caught.value.field == "surface"


def test_overlapping_traffic_in_a_layer_is_refused_with_what_is_free() -> None:
    running = experiment(name="old", traffic=0.25, traffic_from=0.5), experiment(name="older", traffic=0.3)
    assert complaints(experiment(traffic=0.5, traffic_from=0.3), *running) == [
        (
            "experiment 'x': traffic [0.3, 0.8) of layer 'default' overlaps [0.5, 0.75) of 'old', which is running; "
            "free: [0.3, 0.5), [0.75, 1)",
            "traffic_from",
        )
    ]


def test_adjacent_segments_do_not_overlap_though_their_sums_round() -> None:
    # 0.1 + 0.2 is above 0.3 in binary.
    running = experiment(name="old", traffic_from=0.1, traffic=0.2)
    assert complaints(experiment(traffic_from=0.3, traffic=0.1), running) == []


def test_the_file_of_one_surface_reads_as_it_did() -> None:
    old = parse({"name": "x", "surface": "home", "variants": [{"name": "a", "strategy": "default", "weight": 1.0}]})
    assert old.on == ("home",)
    assert experiment(surface=None, surfaces=("home", "related")).on == ("home", "related")


def test_segments_that_share_no_unit_share_no_number_whatever_their_decimals() -> None:
    # 0.1 + 0.2 ends above where 0.3 begins, in binary; thirds end nowhere exactly.
    for start, traffic in ((0.1, 0.2), (1 / 3, 1 / 3), (0.15, 0.55)):
        low = experiment(traffic_from=start, traffic=traffic)
        high = experiment(traffic_from=round(start + traffic, 12), traffic=0.1)
        assert segment(low)[1] == segment(high)[0]
    assert segment(experiment()) == (0, 2**64)


def test_experiments_on_several_surfaces_collide_on_each_of_them() -> None:
    both = experiment(surface=None, surfaces=("home", "related"), layer="new")
    assert [field for _, field in complaints(both, experiment(name="old"))] == ["layer"]


def test_a_layer_is_divided_by_one_hash() -> None:
    found = complaints(
        experiment(hash="growthbook", traffic=0.5), experiment(name="old", traffic=0.5, traffic_from=0.5)
    )
    assert found == [
        (
            "experiment 'x': layer 'default' is divided by hash 'bandstand', as 'old' runs in it; use hash 'bandstand' "
            "or another layer",
            "hash",
        )
    ]


def test_a_surface_has_one_layer_and_the_remedy_is_to_share_it() -> None:
    assert complaints(experiment(layer="new", traffic=0.1), experiment(name="old", traffic=0.1)) == [
        (
            "experiment 'x': 'old' already runs on surface 'home' in layer 'default', and both 'x' and 'old' say "
            "which strategy ranks; put both into layer 'default' and divide its traffic, or stop 'old' first",
            "layer",
        )
    ]


def test_experiments_on_other_surfaces_may_have_layers_of_their_own() -> None:
    assert complaints(experiment(layer="new"), experiment(name="old", surface="related")) == []


def test_a_layer_is_divided_by_one_kind_of_unit() -> None:
    found = complaints(experiment(unit="session", traffic=0.5), experiment(name="old", traffic=0.5, traffic_from=0.5))
    assert [field for _, field in found] == ["unit"]


def test_an_experiment_does_not_collide_with_its_own_earlier_definition() -> None:
    assert complaints(experiment(traffic=1.0), experiment(traffic=0.5)) == []


def test_a_variant_is_found_by_name_or_the_known_ones_are_listed() -> None:
    assert variant(experiment(), "treatment") == HALVES[1]
    with pytest.raises(UnknownError, match="experiment 'x': variant 'c' is not defined; known: control, treatment"):
        variant(experiment(), "c")
