"""Every setting, read once: defaults, then bandstand.toml, then BANDSTAND_* variables, then the command line."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from bandstand.errors import InputError
from bandstand.misfit import misfit

FILE = "bandstand.toml"
PREFIX = "BANDSTAND_"
_CONFIG = f"{PREFIX}CONFIG"
_SECRET = f"{PREFIX}HOOKS_SECRET"

Role = Literal["all", "api", "learn"]


class Hooks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told when an experiment moves: each of the `urls`, by POST, signed with the `secret` if there is one.

    What is not accepted within `timeout_s` is tried `retries` times again, after 1, 2, 4 … and at most 60 seconds.
    """

    urls: tuple[Annotated[str, msgspec.Meta(pattern=r"^https?://[^/\s]+")], ...] = ()
    secret: str = ""
    timeout_s: Annotated[float, msgspec.Meta(gt=0.0, le=60.0)] = 5.0
    retries: Annotated[int, msgspec.Meta(ge=0, le=20)] = 8


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to listen, where to keep the log, and what to serve.

    `database` is sqlite:///path or postgresql://…; `snapshots` defaults to a place beside it. `experiments` is the
    folder of experiment files, `rules` that of rule files. `strategies`, `surfaces`, `signals` and `holdout` are
    recorded in the log when the server starts. `hooks` are told how experiments move; a secret may come from the
    variable BANDSTAND_HOOKS_SECRET instead.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    role: Role = "all"
    database: str = "sqlite:///bandstand-data/bandstand.db"
    snapshots: str | None = None
    experiments: str = "experiments"
    rules: str = "rules"
    queue: Annotated[int, msgspec.Meta(ge=1)] = 4096
    weights_every_s: Annotated[float, msgspec.Meta(gt=0.0)] = 0.5
    fits_every_s: Annotated[float, msgspec.Meta(gt=0.0)] = 60.0
    model_every_s: Annotated[float, msgspec.Meta(gt=0.0)] = 60.0
    steward_every_s: Annotated[float, msgspec.Meta(ge=0.0)] = 300.0
    strategies: dict[str, Any] = {}
    surfaces: dict[str, Any] = {}
    signals: dict[str, float] | None = None
    holdout: float | None = None
    hooks: Hooks = Hooks()


def read(
    overrides: Mapping[str, object], *, file: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """The settings in force. InputError where a name is unknown or a value does not fit, and where it was set."""
    path = Path(environ.get(_CONFIG, FILE)) if file is None else file
    values: dict[str, object] = {}
    if path.exists():
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: it is not a TOML file ({error})") from error
    elif environ.get(_CONFIG):
        raise InputError(f"{path}: there is no such file; {_CONFIG} names it, so write it or unset that")
    _check(values, str(path))
    if secret := environ.get(_SECRET):
        hooks = values.get("hooks", {})
        values["hooks"] = {**hooks, "secret": secret} if isinstance(hooks, dict) else hooks
    names = {f"{PREFIX}{name.upper()}": name for name in Settings.__struct_fields__}
    from_environment = {names[key]: value for key, value in environ.items() if key in names}
    _check(from_environment, "the environment", strict=False)
    given = {name: value for name, value in overrides.items() if value is not None}
    _check(given, "the command line", strict=False)
    return msgspec.convert(values | from_environment | given, Settings, strict=False)


def _check(values: Mapping[str, object], where: str, *, strict: bool = True) -> None:
    try:
        msgspec.convert(values, Settings, strict=strict)
    except msgspec.ValidationError as error:
        told = misfit(str(error), dict(values), Settings)
        raise InputError(f"{where}: {told}", field=told.field, code=told.code) from error
