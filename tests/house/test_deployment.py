"""The Dockerfile and docker-compose.yml agree with each other and with the command line."""

import json
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from bandstand.cli import bandstand

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


def instruction(name: str) -> str:
    """What stands behind the Dockerfile's only `name` at the start of a line."""
    (found,) = [line.removeprefix(name) for line in DOCKERFILE.splitlines() if line.startswith(f"{name} ")]
    return found.strip()


def parsed(words: list[str]) -> dict[str, Any]:
    """The options that click reads from `bandstand WORDS`, without running it; a usage error where it cannot."""
    top = click.Context(bandstand, info_name="bandstand")
    name, command, rest = bandstand.resolve_command(top, words)
    assert command is not None
    return command.make_context(name, rest, parent=top).params


def test_the_image_runs_a_command_that_exists() -> None:
    assert json.loads(instruction("ENTRYPOINT")) == ["bandstand"]
    assert parsed(json.loads(instruction("CMD")))["host"] == "0.0.0.0"


def test_the_image_does_not_run_as_root() -> None:
    assert instruction("USER") == "bandstand"


def test_the_image_is_built_from_files_that_its_context_lets_through() -> None:
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists()
        assert f"!{name}" in let_through


@pytest.mark.parametrize("service", OURS)
def test_each_service_runs_a_command_that_exists(service: str) -> None:
    command = SERVICES[service]["command"]
    assert parsed(shlex.split(command) if isinstance(command, str) else list(command))


def test_a_flag_that_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        parsed(["serve", "--no-such-flag"])


def test_the_default_is_one_container_with_a_volume() -> None:
    (service,) = [service for service in SERVICES.values() if "profiles" not in service]
    assert service["volumes"] == [f"data:{instruction('VOLUME')}"]
    assert not any("--database" in word for word in service["command"])  # SQLite under the working directory
    assert f"WORKDIR {instruction('VOLUME')}\nVOLUME" in DOCKERFILE


def test_the_scale_profile_is_postgresql_two_api_nodes_and_a_learner() -> None:
    scaled = {name: service for name, service in SERVICES.items() if service.get("profiles") == ["scale"]}
    roles = {name: parsed(list(scaled[name]["command"]))["role"] for name in scaled if name in OURS}
    assert roles == {"api-1": "api", "api-2": "api", "learner": "learn"}
    assert scaled["postgres"]["image"] == "postgres:16"
    assert set(scaled) == {*roles, "postgres"}


def test_services_wait_for_a_database_that_has_a_health_check() -> None:
    for name in OURS:
        for needed, how in SERVICES[name].get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert SERVICES[needed]["healthcheck"]["test"]


def test_no_two_services_publish_the_same_port_and_every_volume_is_declared() -> None:
    published = [port.split(":")[0] for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(set(published)) == len(published)
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert mounted == set(COMPOSE["volumes"])
