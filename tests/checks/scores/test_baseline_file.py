"""Baselines: built from records, written in a fixed order, read with errors that name file, field and value."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.scores.baseline import file as baseline_file
from harness.checks.scores.baseline.build import build_baseline
from harness.checks.scores.baseline.file import Baseline, baseline_text, parse_baseline, read_baseline, write_baseline
from harness.checks.scores.baseline.pair import environment_changes
from harness.checks.verdict import Fact
from harness.errors import SpecError, StoreError
from harness.grid.cell import Cell
from harness.grid.looks import SeedPlan
from harness.record.attempts import Entry
from harness.record.model import Provenance, Record, asked_of
from harness.record.results import Results
from tests.checks.conftest import build_run, plant

Make = Callable[..., Any]
DATE = "2026-11-22T10:00:00.000Z"
GRID = baseline_file.GridName(name="demo", file="demo.toml", task="embedded/paraphrase")
PROVENANCE = Provenance(harness="0.1.0", git_sha="0123456789abcdef", git_dirty=False, command="harness accept x")
FINAL_HASH = "fe" * 32
PLAIN = build_run()


def record_of(cell: Cell, entry: Entry) -> Record:
    """A record with the entry's status and scores; its hashes tell the seed."""
    ids = ("cell_id", "configuration_id", "environment_id", "content_id", "attempt", "status", "started")
    values = {name: getattr(entry, name) for name in ids}
    packages = {"transformers": "5.22.0", "accelerate": "1.15.0"}
    run = plant(PLAIN, {**values, "observed.packages": packages, "observed.weights.final_sha256": FINAL_HASH,
                        "observed.fingerprint.data_order_sha256": f"{cell.seed % 256:02x}" * 32})  # fmt: skip
    return run.record.model_copy(update={"asked": asked_of(cell)})


@dataclasses.dataclass
class MadeUp:
    """Cells with their entries, and the baseline built from them."""

    entry_of: Make
    cells: dict[tuple[str, int], Cell]
    entries: list[Entry] = dataclasses.field(default_factory=list)
    read: list[Entry] = dataclasses.field(default_factory=list)

    def add(self, seed: int, accuracy: float | None = 0.8, precision: str = "fp32", **changes: Any) -> None:
        cell = self.cells[precision, seed]
        metrics = {} if accuracy is None else {"accuracy": accuracy, "f1": 0.9}
        path = f"{cell.cell_id}/{len(self.entries)}"
        self.entries.append(self.entry_of(cell, **{"metrics": metrics, "path": path, **changes}))

    def record(self, entry: Entry) -> Record:
        self.read.append(entry)
        cell = next(cell for cell in self.cells.values() if cell.cell_id == entry.cell_id)
        return record_of(cell, entry)

    def series(self, entry: Entry, names: Any = None) -> Mapping[str, Any]:
        raise AssertionError("a baseline needs no series")

    def build(self, **options: Any) -> Baseline:
        plan = options.pop("plan", None)
        values = {"date": DATE, "provenance": PROVENANCE, **options}
        return build_baseline(GRID, Results(self.entries, self, list(self.cells.values()), plan), **values)


@pytest.fixture
def results(cell_of: Make, entry_of: Make) -> MadeUp:
    cells = {
        (precision, seed): cell_of(seed=seed, precision=precision, axes={"precision": precision, "seed": seed})
        for seed in (10, 2)
        for precision in ("fp32", "bf16")
    }
    return MadeUp(entry_of, cells)


@pytest.fixture
def baseline(results: MadeUp) -> Baseline:
    results.add(10, 0.81)
    results.add(2, 0.8)
    results.add(2, 0.68, "bf16", status="collapsed")
    results.add(10, None, "bf16", status="failed", error="ValueError: no\nway")
    return results.build(note="first")


def left_out(baseline: Baseline) -> list[tuple[int | None, str, str]]:
    return [(one.seed, one.status, one.why) for one in baseline.left_out]


def test_runs_and_what_was_left_out(baseline: Baseline, results: MadeUp) -> None:
    first, second = baseline.configurations
    assert [list(first.runs), list(second.runs)] == [[2, 10], [2]]
    assert (first.runs[10].accuracy, first.runs[10].f1, first.collapsed) == (0.81, 0.9, 0)
    assert (second.runs[2].status, second.runs[2].accuracy, second.collapsed) == ("collapsed", 0.68, 1)
    assert first.runs[2].data_order_sha256 == "02" * 10
    assert first.runs[2].final_sha256 == FINAL_HASH[:20]
    assert (first.runs[2].optimizer, first.runs[2].attention, first.runs[2].precision) == ("AdamW", "sdpa", "fp32")
    assert first.asked == {
        "task": "embedded/paraphrase",
        "checkpoint": {"name": "embedded/tiny-bert", "source": "embedded/tiny-bert"},
        "precision": "fp32", "devices": 1, "environment": "current", "engine": "trainer", "head_seeding": "seeded",
        "threads": 1, "recipe": {"max_steps": 4},
    }  # fmt: skip
    assert left_out(baseline) == [(10, "failed", "ValueError: no way")]
    assert baseline.environments["env0"].packages["transformers"] == "5.22.0"
    assert (first.runs[10].cell_id, first.runs[10].started) == (results.entries[0].cell_id, results.entries[0].started)
    # One record a kept run, and not one for those left out.
    assert len(results.read) == 3


def test_missing_runs_are_told(results: MadeUp) -> None:
    results.add(2)
    found = results.build()
    assert left_out(found) == [(10, "missing", "no record")] + [(seed, "missing", "no record") for seed in (10, 2)]
    assert len(found.configurations) == 1


def test_nothing_scored_leaves_no_configuration(results: MadeUp) -> None:
    results.add(2, None, status="skipped", error="Unavailable: fp16")
    results.add(10, float("nan"))
    found = results.build()
    assert found.configurations == []
    assert left_out(found)[:2] == [(10, "ok", "no accuracy"), (2, "skipped", "Unavailable: fp16")]


def test_a_run_that_lost_its_loss_is_kept_and_counted(results: MadeUp) -> None:
    results.add(2, float("nan"), status="nonfinite")
    (one,) = results.build().configurations
    assert (one.runs[2].status, one.runs[2].accuracy, one.collapsed) == ("nonfinite", None, 1)


def test_the_latest_final_run_counts(results: MadeUp) -> None:
    results.add(2, 0.7)
    results.add(2, 0.75, attempt=2)
    results.add(2, None, status="killed", attempt=3)
    (one,) = results.build().configurations
    assert one.runs[2].accuracy == 0.75


def test_a_collapse_that_was_tried_again_counts(results: MadeUp, tmp_path: Path) -> None:
    results.add(2, float("nan"), status="nonfinite")
    results.add(2, 0.75, attempt=2)
    found = results.build()
    (one,) = found.configurations
    assert (one.runs[2].accuracy, one.lost, one.collapsed, one.counted) == (0.75, {"2": "nonfinite"}, 1, 2)
    write_baseline(tmp_path / "x.json", found)
    assert read_baseline(tmp_path / "x.json") == found


def test_the_latest_environment_counts(results: MadeUp) -> None:
    results.add(2, 0.7)
    results.add(10, 0.7)
    results.add(2, 0.75, environment_id="env1", started="2026-11-23T10:00:00.000Z")
    found = results.build()
    (one,) = found.configurations
    assert (one.environment_id, list(one.runs)) == ("env1", [2])
    assert left_out(found)[0] == (10, "missing", "no record")


def test_seeds_beyond_the_look_that_was_reached_are_not_missing(cell_of: Make, entry_of: Make) -> None:
    results = MadeUp(entry_of, {("fp32", seed): cell_of(seed=seed) for seed in range(7)})
    plan = SeedPlan(looks=(3, 5, 7), seeds=tuple(range(7)))
    for seed in range(3):
        results.add(seed)
    assert left_out(results.build(plan=plan)) == []
    results.add(3)  # one run of the next look, which nobody has to finish
    found = results.build(plan=plan)
    assert (left_out(found), list(found.configurations[0].runs)) == ([], [0, 1, 2, 3])
    results.entries = results.entries[1:]
    assert left_out(results.build(plan=plan)) == [(0, "missing", "no record")]


def test_the_file_reads_well_in_a_review(baseline: Baseline, tmp_path: Path) -> None:
    text = baseline_text(baseline)
    lines = text.splitlines()
    # A line a seed, seeds as numbers and not as text; a line a package, sorted.
    at = [n for n, line in enumerate(lines) if line.lstrip().startswith(('"2": {', '"10": {'))]
    assert [lines[n].split()[0] for n in at] == ['"2":', '"10":', '"2":']
    packages = next(n for n, line in enumerate(lines) if '"packages"' in line)
    assert [line.split()[0] for line in lines[packages + 1 : packages + 3]] == ['"accelerate":', '"transformers":']
    assert [line for line in lines if "ValueError" in line] == [lines[-3]]
    assert lines[1] == ' "schema": 2,'
    write_baseline(tmp_path / "deep" / "x.json", baseline)
    again = read_baseline(tmp_path / "deep" / "x.json")
    assert baseline_text(again) == text
    assert again == baseline


def test_one_changed_score_is_one_changed_line(results: MadeUp, baseline: Baseline) -> None:
    results.entries[0] = dataclasses.replace(results.entries[0], metrics={"accuracy": 0.82, "f1": 0.9})
    one, other = (baseline_text(b).splitlines() for b in (baseline, results.build(note="first")))
    assert sum(x != y for x, y in zip(one, other, strict=True)) == 1


def test_the_order_of_records_does_not_matter(results: MadeUp, baseline: Baseline) -> None:
    text = baseline_text(baseline)
    results.entries.reverse()
    assert baseline_text(results.build(note="first")) == text


def test_a_file_is_replaced_and_nothing_else(baseline: Baseline, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("mine")
    write_baseline(path, baseline)
    assert read_baseline(path) == baseline
    with pytest.raises(SpecError, match=r"ends in \.json"):
        write_baseline(tmp_path / "x.toml", baseline)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(SpecError, match="got the folder"):
        write_baseline(tmp_path / "folder.json", baseline)
    with pytest.raises(StoreError, match="cannot write it"):
        write_baseline(path / "below" / "y.json", baseline)


def broken(baseline: Baseline, change: Callable[[dict[str, Any]], Any]) -> str:
    data = json.loads(baseline_text(baseline))
    change(data)
    with pytest.raises(SpecError) as caught:
        parse_baseline(json.dumps(data).encode(), "b.json")
    return str(caught.value)


def seed_2(data: Mapping[str, Any]) -> dict[str, Any]:
    run = data["configurations"][0]["seeds"]["2"]
    assert isinstance(run, dict)
    return run


SEED_2 = "configurations[0].seeds.2"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(schema="1"), 'schema: got "1"; allowed an integer'),
        (lambda d: d.update(schema=0), "schema: got 0; allowed a value >= 1"),
        (lambda d: d.pop("grid"), "grid: missing; it is required"),
        (lambda d: seed_2(d).update(accuracy=85.78), f"{SEED_2}.accuracy: got 85.78; allowed a fraction from 0 to 1"),
        (lambda d: seed_2(d).update(accuracy=None), f"{SEED_2}.accuracy: got None; allowed a fraction"),
        (lambda d: seed_2(d).update(status="nonfinite"), f"{SEED_2}.accuracy: got 0.8; allowed null with status"),
        (lambda d: seed_2(d).update(status="fine"), f'{SEED_2}.status: got "fine"; allowed ok, collapsed, nonfinite'),
        (lambda d: seed_2(d).update(init_sha256="XY"), f'{SEED_2}.init_sha256: got "XY"; allowed 16 to 64 hexadecimal'),
        (lambda d: seed_2(d).update(acuracy=1), f"{SEED_2}.acuracy: got 1; not a key here; allowed status, accuracy"),
        (lambda d: d["configurations"][0].update(collapsed=1), "configurations[0].collapsed: got 1; allowed 0, as the"),
        (lambda d: d["configurations"][0].update(seeds={}), "configurations[0].seeds: got {}; allowed at least 1"),
        (lambda d: d["configurations"][0]["seeds"].update(x={}), "configurations[0].seeds.x"),
        (
            lambda d: d["configurations"][0].update(environment_id="?"),
            'configurations[0].environment_id: got "?"; allowed "env0"',
        ),
        (
            lambda d: d["configurations"].append(d["configurations"][0]),
            "configurations[2].configuration_id: got ",
        ),
        (lambda d: d["left_out"][0].update(status="gone"), 'left_out[0].status: got "gone"; allowed ok, collapsed, '),
        (lambda d: d.update(configurations={}), "configurations: got {}; allowed a list"),
        (lambda d: d.update(environments=[]), "environments: got []; allowed a table"),
    ],
)
def test_a_broken_field_is_named(baseline: Baseline, change: Callable[[dict[str, Any]], Any], said: str) -> None:
    assert broken(baseline, change).startswith(f"b.json: {said}")


def test_every_problem_is_a_line(baseline: Baseline) -> None:
    def change(data: dict[str, Any]) -> None:
        seed_2(data).update(accuracy=2, status="fine")
        del data["date"]

    assert len(broken(baseline, change).splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1, column 1: got the end; allowed JSON"),
        (b'{"schema": 1,\n<<<<<<< ours\n', 'line 2, column 1: got "<<<<<<< ours'),
        (b"\n\xff", "line 2: got byte 0xff; allowed UTF-8 text"),
        (b"3", "got 3; allowed an accepted file as"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "got a number of thousands of digits"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_no_baseline_at_all(content: bytes, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_baseline(content, "b.json")
    assert str(caught.value).startswith(f"b.json: {said}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.json", "no such file; allowed an accepted file"),
        ("", "is a folder"),
        ("a\0b", "no such file|cannot be read"),
    ],
)
def test_a_path_that_is_no_file(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        read_baseline(tmp_path / name)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["schema", "grid", "environments", "configurations", "left_out", "note", "date"]


@given(st.sampled_from(FIELDS), JUNK)
def test_junk_is_refused_or_read_never_a_traceback(field: str, junk: Any) -> None:
    whole = {
        "schema": 1, "harness": "0.1.0", "date": DATE, "command": "x", "environments": {}, "configurations": [],
        "grid": {"name": "x", "file": "x.toml", "task": "x"},
    }  # fmt: skip
    try:
        found = parse_baseline(json.dumps({**whole, field: junk}).encode(), "b.json")
    except SpecError as error:
        said = str(error)
    else:
        said = "b.json: "
        assert baseline_text(parse_baseline(baseline_text(found).encode(), "c.json")) == baseline_text(found)
    assert all(line.startswith("b.json: ") for line in said.splitlines())


def facts(**changes: Any) -> baseline_file.EnvironmentFacts:
    packages, machine = {"torch": "2.13.0", "transformers": "5.22.0"}, {"cpu": "A", "memory_gib": 15.6}
    values = {"python": "3.11.7", "packages": packages, "machine": machine, **changes}
    return baseline_file.EnvironmentFacts.model_validate(values)


def changed(field: str, a: Any, b: Any) -> Fact:
    return Fact.of("changed", field=field, a=a, b=b)


def test_an_environment_is_compared_package_by_package() -> None:
    assert environment_changes(facts(), facts()) == ()
    newer = facts(python="3.12.1", packages={"torch": "2.13.0", "transformers": "5.23.0", "datasets": "5.2.0"})
    assert environment_changes(facts(), newer) == (
        changed("Python", "3.11.7", "3.12.1"),
        changed("transformers", "5.22.0", "5.23.0"),
        changed("datasets", None, "5.2.0"),
    )
    less = facts(machine={"cpu": "A", "memory_gib": 15.5})
    assert environment_changes(facts(), less) == (changed("memory_gib", 15.6, 15.5),)
    other = facts(machine={"cpu": "B", "memory_gib": 15.6})
    assert environment_changes(facts(), other) == (changed("cpu", "A", "B"), Fact.of("environment.machine"))
