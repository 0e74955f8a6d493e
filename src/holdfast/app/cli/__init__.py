"""The command line: one file for each command. They import what they need when they run, so that ``--help`` is quick."""

import errno
import sys

import typer

from holdfast.app.cli.audit import audit
from holdfast.app.cli.bench import bench
from holdfast.app.cli.check import check
from holdfast.app.cli.create_admin import create_admin
from holdfast.app.cli.demo import demo
from holdfast.app.cli.docs import docs
from holdfast.app.cli.faults import faults
from holdfast.app.cli.import_gtfs import import_gtfs
from holdfast.app.cli.lint import lint
from holdfast.app.cli.migrate import migrate
from holdfast.app.cli.reconcile import reconcile
from holdfast.app.cli.sandbox import sandbox
from holdfast.app.cli.serve import serve
from holdfast.app.cli.simulate import simulate
from holdfast.app.cli.test import run_tests
from holdfast.app.cli.up import up
from holdfast.app.cli.worker import worker
from holdfast.app.faults import Fault

commands = typer.Typer(
    name="holdfast",
    help="Holdfast sells limited things in real time and never sells one twice.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

# What pytest understands, --help among it, is pytest's business.
_PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}

commands.command()(up)
commands.command()(create_admin)
commands.command("import-gtfs")(import_gtfs)
commands.command()(simulate)
commands.command()(check)
commands.command()(reconcile)
commands.add_typer(audit, name="audit")
commands.command(rich_help_panel="For deployments")(serve)
commands.command(rich_help_panel="For deployments")(worker)
commands.command(rich_help_panel="For deployments")(migrate)
commands.command(hidden=True)(demo)
commands.command(rich_help_panel="For developers")(sandbox)
commands.command("test", rich_help_panel="For developers", context_settings=_PASS_ON)(run_tests)
commands.command(rich_help_panel="For developers")(lint)
commands.command(rich_help_panel="For developers")(bench)
commands.command(rich_help_panel="For developers")(faults)
commands.command(rich_help_panel="For developers")(docs)


def main() -> None:
    """Run the command line. A fault is told in plain words, with exit code 1."""
    try:
        commands(prog_name="holdfast")
    except Fault as fault:
        _say(str(fault))
        sys.exit(1)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            where = f" ({error.filename})" if error.filename else ""
            _say(f"The disk is full{where}. Free some space, or choose a directory on another disk with --data.")
        elif isinstance(error, PermissionError) and error.filename:
            _say(f"{error.filename} may not be written or read by this user. Choose another directory with --data.")
        else:
            raise
        sys.exit(1)


def _say(message: str) -> None:
    print(f"holdfast: {message}", file=sys.stderr)
