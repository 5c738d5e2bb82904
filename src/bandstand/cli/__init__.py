"""The command line: one file a command, and how failures end."""

import sys
from importlib import import_module

import rich_click as click

from bandstand.errors import BandstandError

_PLACES = {
    "serve": "serve",
    "demo": "demo",
    "import": "exchange",
    "export": "exchange",
    "replay": "replay",
    "evaluate": "evaluate",
    "simulate": "simulate",
    "sweep": "sweep",
    "report": "report",
    "power": "power",
    "check": "check",
    "steward": "steward",
}


class _Commands(click.RichGroup):
    """Each command's module is imported when it is asked for: one brings a web server, another statistics, and all that
    any of them needs takes seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_PLACES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _PLACES:
            return None
        module = import_module(f"bandstand.cli.{_PLACES[name]}")
        return next(one for one in vars(module).values() if isinstance(one, click.Command) and one.name == name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="bandstand")
def bandstand() -> None:
    """Rank with a contextual bandit, and prove that it helps.

    `bandstand demo` shows it all in a minute; `bandstand serve` runs the server.
    """


def main() -> None:
    """Exit 0 where all is well, 1 where a check failed, 2 where the call cannot be carried out."""
    try:
        bandstand()
    except BandstandError as error:
        click.echo(f"bandstand: {error}", err=True)
        sys.exit(2)
