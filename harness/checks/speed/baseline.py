"""The speed baseline: timing processes of a grid as a small JSON file, a line a process, to be reviewed and kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from harness.checks.accepted import Accepted, checked, laid_out, no_constant, no_key_twice
from harness.checks.speed.process import Process, oldest_first
from harness.errors import SpecError
from harness.grid.tables import Table, Text
from harness.text import canonical_json, show

SCHEMA: Final = 1
WANTED: Final = "a speed baseline as `harness compare --save FILE RESULTS` writes it"
MAX_BYTES: Final = 64 * 2**20
ONE_LINE: Final = (
    ("machines",), ("configurations", "*", "axes"), ("configurations", "*", "asked"),
    ("configurations", "*", "processes", "*"),
)  # fmt: skip

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Peak = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SavedProcess(Table):
    """The fields of a `Process` that are its own; `machine` is a name among the file's machines."""

    session: Text
    repeat: Annotated[int, Field(ge=1)]
    started: Text
    rate: Rate
    reasons: list[str] = Field(default_factory=list)
    machine: Text
    memory_mib: Peak | None = None
    process_mib: Peak | None = None
    power_capped: Peak | None = Field(default=None, exclude_if=lambda capped: capped is None)


class SavedConfiguration(Table):
    """The fields of a `Process` that those of one configuration share, and the processes, oldest first."""

    label: Text
    configuration_id: Text
    axes: dict[str, Any]
    precision: Text
    devices: Annotated[int, Field(ge=1)]
    engine: Text
    environment: Text
    asked: dict[str, Any]
    processes: list[SavedProcess] = Field(min_length=1)


class SpeedBaseline(Accepted):
    """Timing sessions of a grid. `machines` names each machine once: key -> facts, as canonical JSON."""

    schema_: Annotated[int, Field(alias="schema", ge=1, le=SCHEMA)] = SCHEMA
    kind: Literal["harness-speed"] = "harness-speed"
    harness: Text
    date: Text
    machines: dict[Text, dict[str, Any]]
    configurations: list[SavedConfiguration] = Field(min_length=1)

    def problems(self) -> list[str]:
        """What no single field shows: machines that are not there, processes that come twice."""
        problems, seen = [], set()
        for number, configuration in enumerate(self.configurations):
            for place, process in enumerate(configuration.processes):
                where = f"configurations[{number}].processes[{place}]"
                if process.machine not in self.machines:
                    allowed = show(list(self.machines))
                    problems.append(f"{where}.machine: got {show(process.machine)}; allowed {allowed}")
                key = (configuration.configuration_id, process.session, process.repeat)
                if key in seen:
                    problems.append(
                        f"{where}: session {process.session}, repeat {process.repeat} comes twice; allowed once"
                    )
                seen.add(key)
        return problems


def speed_baseline(processes: Sequence[Process], *, harness: str, date: str) -> SpeedBaseline:
    """The baseline of these processes; one that comes twice counts once, its last mention."""
    unique = {(process.configuration_id, process.session, process.repeat): process for process in processes}
    every = oldest_first(unique.values())
    machines = {key: f"m{number}" for number, key in enumerate(dict.fromkeys(each.machine for each in every), start=1)}
    groups: dict[str, list[Process]] = {}
    for process in every:
        groups.setdefault(process.configuration_id, []).append(process)
    return SpeedBaseline(
        harness=harness,
        date=date,
        machines={name: json.loads(key) for key, name in machines.items()},
        configurations=[_saved(group, machines) for group in groups.values()],
    )


def _saved(group: Sequence[Process], machines: dict[str, str]) -> SavedConfiguration:
    rows = [
        _fields(SavedProcess, process) | {"reasons": list(process.reasons), "machine": machines[process.machine]}
        for process in group
    ]
    return SavedConfiguration(**_fields(SavedConfiguration, group[-1]), processes=[SavedProcess(**row) for row in rows])


def _fields(table: type[Table], process: Process) -> dict[str, Any]:
    return {name: getattr(process, name) for name in table.model_fields if name != "processes"}


def processes_of_baseline(baseline: SpeedBaseline) -> list[Process]:
    """The processes of a baseline, as they were."""
    keys = {name: canonical_json(facts) for name, facts in baseline.machines.items()}
    found = []
    for configuration in baseline.configurations:
        shared = {name: value for name, value in configuration if name != "processes"}
        for saved in configuration.processes:
            own = dict(saved) | {"reasons": tuple(saved.reasons), "machine": keys[saved.machine]}
            found.append(Process(**shared, **own))
    return found


def speed_baseline_text(baseline: SpeedBaseline) -> str:
    """The file's text: a line a field, a line a process."""
    return laid_out(baseline.model_dump(mode="json", by_alias=True), ONE_LINE) + "\n"


def parse_speed_baseline(content: bytes, file: str) -> SpeedBaseline:
    """Check a speed baseline given as the bytes of its file, `file` being its name in error texts.

    Raises
    ------
    SpecError
        With a line for every problem: file, dotted field, value got, what is allowed.
    """
    try:
        text = content.decode("utf-8-sig")
        data = json.loads(text, parse_constant=no_constant, object_pairs_hook=no_key_twice)
    except json.JSONDecodeError as error:
        where = f"{file}: line {error.lineno}, column {error.colno}"
        raise SpecError(f"{where}: not JSON ({error.msg}); allowed {WANTED}") from error
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{file}: cannot be read ({error}); allowed {WANTED}") from error
    if not isinstance(data, dict) or data.get("kind") != "harness-speed":
        got = show(data.get("kind")) if isinstance(data, dict) else show(data)
        raise SpecError(f'{file}: kind: got {got}; allowed "harness-speed", {WANTED}')
    return checked(data, SpeedBaseline, SCHEMA, file)
