"""The command `harness`: puts the commands together and turns errors into exit codes, alone."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import typer

from harness import __version__
from harness.cli.ci import on_github
from harness.cli.streams import Muting, open_missing_streams
from harness.errors import HarnessError
from harness.exit_codes import epilog, summary
from harness.text import lines

COMMANDS: Final = {
    "validate": "measure", "plan": "measure", "pack": "measure", "run": "measure", "check": "judge", "why": "judge",
    "accept": "judge", "compare": "judge", "bench": "measure", "verify": "judge", "diff": "judge", "ab": "judge",
    "bisect": "judge", "selftest": "judge", "status": "read", "data": "read", "runs": "read", "show": "read",
    "report": "read", "export": "read", "doctor": "measure", "schema": "keep", "store": "keep", "environments": "keep",
    "references": "keep", "watch": "keep", "history": "read",
}  # fmt: skip
"""Each command, in the order of the help, and the folder of its module."""
GROUPS: Final = ("store", "environments", "references")


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """The command line's application; where the arguments begin with a command, with that command alone.

    Each command's module imports what it needs: `harness plan` need not wait for the statistics of `harness check`.
    """
    app = typer.Typer(
        name="harness",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=summary(),
    )
    app.callback(invoke_without_command=True)(root)
    wanted = arguments[:1] if arguments and (arguments[0] in COMMANDS or arguments[0] == "--version") else COMMANDS
    for name, folder in COMMANDS.items():
        if name in wanted:
            module = import_module(f"harness.cli.{folder}.{name}")
            if name in GROUPS:
                for one in module.app.registered_commands:
                    one.epilog = epilog(f"{name} {one.name or one.callback.__name__}")
                app.add_typer(module.app, name=name)
            else:
                app.command(name, epilog=epilog(name))(getattr(module, name))
    return app


def root(
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    """Benchmark and reproducibility harness for fine-tuning with Hugging Face Trainer.

    A grid (a TOML file) says what to train. First time:

      harness validate quickstart

      harness plan quickstart

      harness bench quickstart
    """
    if version:
        print(f"finetune-harness {__version__}")
        raise typer.Exit


USAGE_ERRORS: Final[Any] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""What typer raises for a command line that cannot be meant. Its own class: newer typers bring their own click."""


def main() -> None:
    """Run the command line; every way out has one of the documented exit codes."""
    # 100,000 cells and entries make no cycles; by default a fifth of their time goes into looking for some.
    gc.set_threshold(100_000, 20, 100)
    open_missing_streams()
    for name in ("stdout", "stderr"):
        # A terminal that knows less than Unicode gets escapes, not a crash in the middle of a run; and who leaves
        # (`| head`), a full disk or a closed terminal end what is printed, never what is done.
        getattr(sys, name).reconfigure(errors="backslashreplace")
        setattr(sys, name, Muting(getattr(sys, name), guarded=on_github()))
    sys.exit(run_command())


def run_command() -> int:
    """Run the command that the process was started with, say what went wrong, and return the exit code."""
    code: int | None
    try:
        code = application(sys.argv[1:])(standalone_mode=False)
    except HarnessError as error:
        print(f"error: {lines(str(error))}", file=sys.stderr)
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except USAGE_ERRORS as error:
        error.show()
        code = 2
    except Exception as error:  # noqa: BLE001 - the last net: a defect of ours, told as such
        if os.environ.get("HARNESS_DEBUG"):
            traceback.print_exc()
        print(
            f"internal error: {type(error).__name__}: {error}\nThis is a defect of the harness. "
            "HARNESS_DEBUG=1 prints the traceback; finished cells are kept.",
            file=sys.stderr,
        )
        code = 70
    return code or 0
