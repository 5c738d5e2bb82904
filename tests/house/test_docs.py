"""The documentation is true: links lead somewhere, examples are accepted, everything that can be set is described."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import msgspec
import pytest
import rich_click as click

from bandstand.cli import bandstand
from bandstand.configuration import definitions, recorded, rules_in
from bandstand.engine import Engine
from bandstand.errors import InputError
from bandstand.experiments.analysis import faults as faults_of
from bandstand.experiments.definition import parse
from bandstand.experiments.metrics import faults
from bandstand.model import Model
from bandstand.rules import converted
from bandstand.settings import Settings
from bandstand.store.memory import MemoryLog

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "experiments/*.md", "rules/*.md", "simulations/*.md")
    for page in ROOT.glob(pattern)
)


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_setting_is_described() -> None:
    text = (ROOT / "docs/operate.md").read_text("utf-8")
    for name in Settings.__struct_fields__:
        assert f"`{name}`" in text or f"[{name}." in text, name


def test_every_command_is_described() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    for name in bandstand.list_commands(click.Context(bandstand)):
        assert f"bandstand {name}" in text, name


def test_example_settings_and_experiment_are_accepted() -> None:
    settings, *others = blocks("docs/operate.md", "toml")
    for other in others:
        msgspec.convert(tomllib.loads(other), Settings)
    experiment, *parts = blocks("docs/experiments.md", "toml")
    engine = Engine(Model(), MemoryLog())
    engine.commit(definitions(engine.model.state, **tomllib.loads(settings)), at=1.0)
    engine.commit(recorded(engine.model.state, parse(tomllib.loads(experiment))), at=2.0)
    assert engine.model.state.trials["softer"].stage == "running"
    for part in parts:
        metrics = tomllib.loads(experiment) | tomllib.loads(part)
        decision = {"name": "clicks", "reward": "click"}
        whole = parse(metrics | {"metrics": [decision, *metrics["metrics"]]})
        assert [*faults_of(whole.analysis), *chain.from_iterable(map(faults, whole.metrics))] == []


def test_example_rules_are_accepted_and_none_is_active() -> None:
    assert rules_in(ROOT / "rules") == {}
    examples = rules_in(ROOT / "rules/examples")
    assert len(examples) == 2
    assert not [one for one in examples.values() if isinstance(one, InputError)]
    (advent,) = [block for block in blocks("docs/recommend.md", "toml") if "positions" in block]
    assert converted(tomllib.loads(advent)).name == "advent"


def test_every_module_of_the_package_has_its_place_in_the_architecture() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for path in sorted((ROOT / "src/bandstand").iterdir()):
        name = path.stem if path.is_file() else f"{path.name}/"
        if path.suffix in (".py", "") and not name.startswith("__"):
            assert f"`{name}`" in text, name
