"""The one family of errors that a user can meet.

The library raises these and never exits; the command line alone turns `exit_code` into the process's status
(2 usage or invalid grid, 4 something is missing or unmet, 5 nothing was measured, 70 internal, 130 interrupted).
"""

from __future__ import annotations


class HarnessError(Exception):
    """Anything the harness can explain; its text is shown as it is, without a traceback."""

    exit_code = 70


class SpecError(HarnessError):
    """What the user wrote cannot be meant: a grid, an option, a selection. Nothing has run."""

    exit_code = 2


class StoreError(HarnessError):
    """The results cannot be read or written: full disk, no permission, a file that is not ours."""

    exit_code = 4


class RequirementError(HarnessError):
    """The machine lacks what the grid or `HARNESS_REQUIRE` insists on; never a quiet fall back."""

    exit_code = 4


class MaterialError(HarnessError):
    """A checkpoint or data set cannot be had, or is not what its name promises."""

    exit_code = 4


class RunFailed(HarnessError):
    """The run ended, and at least one of its cells errored or is missing."""

    exit_code = 4


class Interrupted(HarnessError):
    """The user, or the machine, ended the command; what had finished by then is kept."""

    exit_code = 130


class NothingMeasured(HarnessError):
    """The command ran to its end and measured nothing: an empty selection, or only skipped cells."""

    exit_code = 5
