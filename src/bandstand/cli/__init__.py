"""The command line: one file a command, and how failures end."""

import sys

import rich_click as click

from bandstand.cli.check import check
from bandstand.cli.demo import demo
from bandstand.cli.evaluate import evaluate
from bandstand.cli.exchange import export, import_
from bandstand.cli.power import power
from bandstand.cli.replay import replay
from bandstand.cli.report import report
from bandstand.cli.serve import serve
from bandstand.cli.simulate import simulate
from bandstand.cli.steward import steward
from bandstand.cli.sweep import sweep
from bandstand.errors import BandstandError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="bandstand")
def bandstand() -> None:
    """Rank with a contextual bandit, and prove that it helps.

    `bandstand demo` shows it all in a minute; `bandstand serve` runs the server.
    """


for _command in (serve, demo, import_, export, replay, evaluate, simulate, sweep, report, power, check, steward):
    bandstand.add_command(_command)


def main() -> None:
    """Exit 0 where all is well, 1 where a check failed, 2 where the call cannot be carried out."""
    try:
        bandstand()
    except BandstandError as error:
        click.echo(f"bandstand: {error}", err=True)
        sys.exit(2)
