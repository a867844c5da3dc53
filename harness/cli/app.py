"""The command `harness`: puts the commands together and turns errors into exit codes, alone."""

from __future__ import annotations

import gc
import inspect
import os
import shutil
import sys
import textwrap
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

import typer

from harness import __version__
from harness.cli.ci import on_github
from harness.cli.complete import typed
from harness.cli.streams import PLAIN, Muting, open_missing_streams, wants_ascii
from harness.errors import HarnessError
from harness.exit_codes import epilog, summary
from harness.text import lines

COMMANDS: Final = {
    "init": "keep", "validate": "measure", "plan": "measure", "pack": "measure", "run": "measure", "check": "judge",
    "why": "judge", "accept": "judge", "compare": "judge", "bench": "measure", "verify": "judge", "diff": "judge",
    "ab": "judge", "bisect": "judge", "selftest": "judge", "status": "read", "data": "read", "runs": "read",
    "show": "read", "report": "read", "export": "read", "doctor": "measure", "schema": "keep", "store": "keep",
    "environments": "keep", "references": "keep", "watch": "keep", "history": "read",
}  # fmt: skip
"""Each command, in the order of the help, and the folder of its module."""
GROUPS: Final = ("store", "environments", "references")
HELP_WIDTH: Final = 80


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """The command line's application; where the arguments begin with a command, with that command alone.

    Each command's module imports what it needs: `harness plan` need not wait for the statistics of `harness check`.
    """
    app = typer.Typer(
        name="harness",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=summary(),
    )
    app.callback(invoke_without_command=True)(root)
    first = arguments[0] if arguments else ""
    # Where a shell asks which commands begin so, the others need not be read.
    fitting = [name for name in COMMANDS if name.startswith(first)] if typed() else list(COMMANDS)
    wanted = [first] if first in COMMANDS or first == "--version" else fitting
    for name, folder in COMMANDS.items():
        if name in wanted:
            module = import_module(f"harness.cli.{folder}.{name}")
            if name in GROUPS:
                for one in module.app.registered_commands:
                    one.epilog = kept(epilog(f"{name} {one.name or one.callback.__name__}"))
                    one.short_help = first_words(one.callback)
                app.add_typer(module.app, name=name, short_help=module.app.info.help)
            else:
                command = getattr(module, name)
                app.command(name, epilog=kept(epilog(name)), short_help=first_words(command))(command)
    return app


def first_words(command: Callable[..., Any]) -> str:
    """What a list of commands says of one: all of the first paragraph of its help."""
    return " ".join((inspect.getdoc(command) or "").partition("\n\n")[0].split())


def kept(text: str) -> str:
    """A text of the help whose lines stay as they are, but for those that are too long."""
    room = min(shutil.get_terminal_size().columns, HELP_WIDTH) - 4
    wrapped = (
        textwrap.wrap(line, room, subsequent_indent=" " * 5, break_on_hyphens=False) for line in text.split("\n")
    )
    return "\b\n" + "\n".join(line for one in wrapped for line in one)


def root(
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    """Benchmark and reproducibility harness for fine-tuning with Hugging Face Trainer.

    `harness help COMMAND` explains one of the commands below.

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
        # A terminal that knows less than Unicode gets what means the same, not a crash in the middle of a run; and who
        # leaves (`| head`), a full disk or a closed terminal end what is printed, never what is done.
        stream = getattr(sys, name)
        stream.reconfigure(errors=PLAIN, encoding="ascii" if wants_ascii(stream) else None)
        setattr(sys, name, Muting(getattr(sys, name), guarded=on_github()))
    sys.exit(run_command())


def as_meant(arguments: list[str]) -> list[str]:
    """`help`, and `help COMMAND`, in the words that the command line has for them."""
    return [*arguments[1:], "--help"] if arguments[:1] == ["help"] else arguments


def run_command() -> int:
    """Run the command that the process was started with, say what went wrong, and return the exit code."""
    code: int | None
    try:
        sys.argv[1:] = as_meant(sys.argv[1:])
        code = application(typed() or sys.argv[1:])(standalone_mode=False)
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
