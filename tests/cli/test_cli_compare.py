"""`harness compare` on stores written here: arms, results, baselines, exit codes, files for a CI, confirming."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cli.judge import compare as compare_module
from harness.execution.session import Wishes
from harness.grid.cell import Cell
from harness.grid.grid import load_grid
from harness.record.attempts import Renewal
from harness.record.model import asked_of, parse_record
from harness.record.store import Store

Make = Callable[..., Any]
RECORD = Path(__file__).resolve().parents[1] / "data" / "records" / "v1" / "ok.json"
GRID = """
name = "speed"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = ["embedded/tiny-bert"]
precision = ["fp32", "bf16"]
optim = ["adamw_torch", "adafactor"]
[throughput]
warmup_steps = 2
measured_steps = 5
processes = {processes}
margin = {margin}
only = true
"""
EVEN = (1.0, 1.01, 0.99, 1.005, 0.995)
OTHER = (0.998, 1.012, 0.988, 1.002, 0.998)
MOMENT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
BUSY = ("other processes kept 0.53 cores busy (at most 0.1)",)

Levels = Mapping[tuple[str, str], float]
"""(precision, optim) -> samples a second."""
ALIKE = {(p, o): 400.0 for p in ("fp32", "bf16") for o in ("adamw_torch", "adafactor")}
SLOW = {**ALIKE, ("bf16", "adafactor"): 340.0}


def timing(cell: Cell, rate: float, session: str, place: int, reasons: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "session": session, "place": place, "clock": "host", "warmup_steps": 2, "steps": 5, "seconds": 40 / rate,
        "samples": 40, "samples_per_second": rate, "median_samples_per_second": rate, "step_ms": {"p50": 8000 / rate},
        "stages": {"data": 0, "forward": 40 / rate, "backward": 0, "optimizer": 0, "other": 0},
        "noise": {"reasons": list(reasons)},
    }  # fmt: skip


def put(
    store: Store, cell: Cell, rate: float, session: str, started: datetime, *, place: int = 1,
    machine: Mapping[str, Any] | None = None, reasons: Sequence[str] = (), status: str = "ok",
) -> None:  # fmt: skip
    """Write one timing record, as a run would."""
    data = json.loads(RECORD.read_text(encoding="utf-8"))
    attempt = store.begin(cell.cell_id, "env0")
    data.update(
        grid=store.grid, cell_id=cell.cell_id, configuration_id=cell.configuration_id, environment_id="env0",
        attempt=attempt.number, status=status, started=f"{started.isoformat(timespec='milliseconds')[:-6]}Z",
        asked=asked_of(cell).model_dump(mode="json"), series={}, series_sha256=None,
    )  # fmt: skip
    data["observed"]["machine"].update(machine or {})
    measured = {"metrics": {}, "peak_memory_mib": {"process": 500.0}}
    data["measured"] = {**measured, "timing": timing(cell, rate, session, place, reasons)} if status == "ok" else None
    if status != "ok":
        data["failure"] = {"type": "oom", "message": "out of memory"}
    # Without an index, and so without waiting for the disk: the store finds them all the same.
    (attempt.folder / "record.json").write_text(parse_record(data, "made up").to_json(), encoding="utf-8")


def session(
    results: Path,
    grid: Path,
    levels: Levels,
    name: str = "s1",
    minute: int = 0,
    spreads: Any = (EVEN, OTHER),
    **options: Any,
) -> None:
    """A session of all of a grid's timing cells; `levels` leaves out what was not run."""
    loaded = load_grid(grid)
    store = Store(results, loaded.name)
    for place, cell in enumerate(loaded.timing_cells(), start=1):
        key = (cell.precision, cell.recipe["optim"])
        if key in levels:
            spread = spreads[cell.precision == "bf16"][(cell.repeat - 1) % 5]
            when = MOMENT + timedelta(minutes=minute, seconds=place)
            put(store, cell, levels[key] * spread, name, when, place=place, **options)


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "speed.toml"
    path.write_text(GRID.format(processes=5, margin=5), encoding="utf-8")
    return path


ARMS = ("results/speed:precision=fp32", "results/speed:precision=bf16")


def test_two_arms_of_one_grid(harness: Make, grid: Path) -> None:
    session(Path("results"), grid, SLOW)
    code, out, err = harness("compare", *ARMS)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == f"A: {ARMS[0]}"
    assert lines[-1] == "2 configurations: 1 FAIL, 1 PASS"
    assert "margin 5 %" in out
    failed = next(line for line in lines if line.startswith("FAIL"))
    assert "optim=adafactor: fp32 -> bf16" in failed
    assert "5 pairs  0.850" in failed
    assert harness("compare", *ARMS, "--margin", "20")[0] == 0
    assert harness("compare", f"{ARMS[0]},optim=adamw_torch", f"{ARMS[1]},optim=adamw_torch")[0] == 0


def test_json_has_everything(harness: Make, grid: Path) -> None:
    session(Path("results"), grid, SLOW)
    code, out, _ = harness("compare", *ARMS, "--json")
    data = json.loads(out)
    assert (code, data["exit_code"], data["kind"]) == (1, 1, "harness-compare")
    assert data["head"]["facts"] == [{"code": "speed.margin", "values": {"margin": 0.05}}]
    by_outcome = {one["outcome"]: one for one in data["verdicts"]}
    found = by_outcome["FAIL"]
    assert found["numbers"]["ratio"] == pytest.approx(0.85, abs=1e-3)
    processes, memory = found["findings"]
    assert (processes["fact"]["code"], processes["fact"]["values"]["counted"]) == ("speed.pairs", 5)
    assert (memory["item"], memory["ratio"]) == ("process memory", 1.0)
    assert found["adjusted_p"] == pytest.approx(2 * found["numbers"]["p_slower"])
    assert len(found["subject"]["cell_ids"]) == 5


@pytest.mark.parametrize("indexed", [False, True])
def test_a_timing_record_that_cannot_be_read_is_named(harness: Make, grid: Path, indexed: bool) -> None:
    session(Path("results"), grid, ALIKE)
    store = Store(Path("results"), "speed")
    if indexed:
        store.reindex()
    path = next(store.folders.every()) / "record.json"
    path.write_text("{", encoding="utf-8")
    code, out, _ = harness("compare", *ARMS, "--margin", "20")
    assert code == 4
    said = " ".join(out.split())
    assert f"a record that may be a timing's cannot be read, and counts for nothing: {path.absolute()}: not a" in said
    data = json.loads(harness("compare", *ARMS, "--json")[1])
    assert (data["exit_code"], [one["code"] for one in data["head"]["facts"]]) == (
        4, ["speed.margin", "speed.unreadable"],
    )  # fmt: skip


def test_a_busy_machine_is_inconclusive_with_advice(harness: Make, grid: Path) -> None:
    session(Path("results"), grid, SLOW, reasons=BUSY)
    code, out, _ = harness("compare", *ARMS)
    assert code == 3
    flat = " ".join(out.split())
    assert "2 configurations: 2 INCONCLUSIVE" in out
    assert "The machine was not quiet in 5 of 5 pairs, 5 quiet ones are needed: 10 × other processes kept" in flat
    assert flat.count("close other programs") == 1
    assert harness("compare", *ARMS, "--inconclusive", "pass")[0] == 0


def test_files_for_a_ci(harness: Make, grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session(Path("results"), grid, SLOW)
    step = Path("step.md")
    step.write_text("# before\n\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    code, _, err = harness("compare", *ARMS, "--junit", "out/speed.xml", "-o", "out/speed.md")
    assert code == 1
    suite = ET.parse("out/speed.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert err.startswith("::error title=FAIL speed::")
    written = Path("out/speed.md").read_text(encoding="utf-8")
    assert "harness compare results/speed:precision=fp32" in written
    assert step.read_text(encoding="utf-8") == "# before\n\n" + written


def test_missing_and_new(harness: Make, grid: Path) -> None:
    old = dict.fromkeys((("fp32", "adamw_torch"), ("fp32", "adafactor")), 400.0)
    new = dict.fromkeys((("fp32", "adamw_torch"), ("bf16", "adamw_torch")), 400.0)
    for number in (1, 2, 3):
        session(Path("old"), grid, dict.fromkeys(old, 400 + number), f"s{number}", number)
    session(Path("new"), grid, new, "s9", 9)
    loaded = load_grid(grid)
    lost = next(c for c in loaded.timing_cells() if (c.precision, c.recipe["optim"]) == ("fp32", "adafactor"))
    code, out, _ = harness("compare", "old/speed", "new/speed")
    assert (code, out.splitlines()[-1]) == (4, "3 configurations: 1 ERROR, 1 SKIP, 1 PASS")
    assert "Missing: new/speed has no timing of it." in out
    put(Store(Path("new"), "speed"), lost, 1.0, "s9", MOMENT, status="oom")
    code, out, _ = harness("compare", "old/speed", "new/speed")
    assert code == 4
    assert "Not timed in new/speed: oom: out of memory." in out


def test_an_arm_of_which_every_process_failed(harness: Make, grid: Path) -> None:
    session(Path("results"), grid, {key: 400.0 for key in ALIKE if key[0] == "fp32"})
    for cell in load_grid(grid).timing_cells():
        if cell.precision == "bf16":
            put(Store(Path("results"), "speed"), cell, 1.0, "s1", MOMENT, status="oom")
    code, out, err = harness("compare", *ARMS)
    assert (code, err) == (4, "")
    assert out.count(f"Not timed in {ARMS[1]}: oom: out of memory.") == 2
    code, _, err = harness("compare", "--save", "x.json", ARMS[1])
    assert code == 2
    assert f"{ARMS[1]}: none of its timings ended well" in err


def test_another_machine_is_refused(harness: Make, grid: Path) -> None:
    for number in (1, 2, 3):
        session(Path("old"), grid, ALIKE, f"s{number}", number)
    session(Path("new"), grid, ALIKE, "s9", 9, machine={"cores": 64})
    code, out, _ = harness("compare", "old/speed", "new/speed")
    assert (code, out.splitlines()[-1]) == (5, "4 configurations: 4 SKIP")
    assert "cores 2 -> 64" in out


def test_a_baseline_of_sessions(harness: Make, grid: Path) -> None:
    results, kept = Path("results"), "reports/baselines/speed.json"
    for number, level in enumerate((400, 404), start=1):
        session(results, grid, dict.fromkeys(ALIKE, level), f"s{number}", number)
    code, out, err = harness("compare", "--save", kept, "results/speed")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"wrote {kept}: 4 configurations"
    assert "2 sessions, 10 processes" in out
    session(results, grid, SLOW, "s8", 8)
    code, out, _ = harness("compare", kept, "results/speed")
    assert (code, out.splitlines()[-1]) == (3, "4 configurations: 4 INCONCLUSIVE")
    assert "A has 2 of at least 3 sessions" in out
    # A third session, from elsewhere in time: saved into the same file.
    session(Path("more"), grid, dict.fromkeys(ALIKE, 396), "s3", 3)
    code, out, _ = harness("compare", "--save", kept, "more/speed")
    assert (code, "3 sessions, 15 processes" in out) == (0, True)
    assert harness("compare", "--save", kept, "more/speed")[0] == 0
    assert len(json.loads(Path(kept).read_text(encoding="utf-8"))["configurations"][0]["processes"]) == 15
    code, out, _ = harness("compare", kept, "results/speed")
    assert (code, out.splitlines()[-1]) == (1, "4 configurations: 1 FAIL, 3 PASS")
    assert "3 sessions" in out
    # The same sessions on both sides are not compared with themselves.
    code, out, _ = harness("compare", kept, "more/speed")
    assert (code, "B has no session that A does not have" in out) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["results/speed"], "B: missing; allowed two results"),
        (["results/speed", "results/speed"], "the same as A; allowed another result, or two arms"),
        (["results/speed:precision=fp32", "./results/speed:precision=fp32"], "the same as A"),
        (["nowhere", "results/speed"], "nowhere: no such folder; allowed a grid's results"),
        (
            ["results", "results/speed"],
            "results: no record of a timed cell; allowed a grid's timed results: time a grid",
        ),
        (["results/speed:precison=fp32", "results/speed"], 'got "precison"; allowed axes checkpoint, precision'),
        (["results/speed:precision=fp3", "results/speed"], 'got "fp3"; allowed fp32, bf16; did you mean fp32?'),
        (["results/speed:precision=", "results/speed"], 'got "precision="; allowed AXIS=VALUE'),
        (["results/speed:precision=fp32,x", "results/speed"], 'got "x"; allowed AXIS=VALUE'),
        (["results/speed", "results/speed:precision=bf16"], "allowed one value of precision"),
        (["gone.json", "results/speed"], "gone.json: no such file; allowed a speed baseline"),
        (["speed.toml.json", "results/speed"], "speed.toml.json: line 1, column 1: not JSON"),
        ([*ARMS, "--margin", "0"], "--margin: got 0; allowed above 0"),
        ([*ARMS, "--inconclusive", "no"], '--inconclusive: got "no"; allowed fail, pass'),
        (["--save", "x.json", *ARMS], "--save: got it beside B"),
        (["--save", "x.txt", "results/speed"], '--save: got "x.txt"; allowed a file name that ends in .json'),
        (["--save", "speed.toml.json", "results/speed"], "speed.toml.json: line 1, column 1: not JSON"),
        ([*ARMS, "--confirm", "other.toml"], "a grid named other; allowed the grid of B's results, speed"),
        ([*ARMS, "--confirm", "untimed.toml"], "untimed.toml times nothing"),
    ],
)
def test_what_cannot_be_meant(harness: Make, grid: Path, arguments: list[str], said: str) -> None:
    session(Path("results"), grid, ALIKE)
    text = grid.read_text(encoding="utf-8")
    Path("speed.toml.json").write_text(text.lstrip(), encoding="utf-8")
    Path("other.toml").write_text(text.replace('"speed"', '"other"'), encoding="utf-8")
    Path("untimed.toml").write_text(text.partition("[throughput]")[0], encoding="utf-8")
    code, out, err = harness("compare", *arguments)
    assert (code, out) == (2, "")
    assert said in err


@pytest.fixture
def rerun(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[Cell]]]:
    """Have `--confirm` measure these levels; the cells of each re-run are collected."""

    def install(levels: Levels, **options: Any) -> list[list[Cell]]:
        runs: list[list[Cell]] = []

        def session_of(grid: Any, cells: Sequence[Cell], store: Store, wishes: Wishes, **given: Any) -> Any:
            assert given == {}
            assert wishes == Wishes(renewal=Renewal(fresh=True))
            return SimpleNamespace(cells=cells, store=store)

        def run_session(opened: Any, *_: Any, **__: Any) -> Any:
            runs.append(list(opened.cells))
            for place, cell in enumerate(opened.cells, start=1):
                rate = levels[cell.precision, cell.recipe["optim"]]
                rate *= (EVEN, OTHER)[cell.precision == "bf16"][cell.repeat - 1]
                when = MOMENT + timedelta(hours=1, seconds=place)
                put(opened.store, cell, rate, "fresh", when, place=place, **options)
            return SimpleNamespace(interrupted=False, exit_code=0)

        monkeypatch.setattr(compare_module, "session_of", session_of)
        monkeypatch.setattr(compare_module, "run_session", run_session)
        return runs

    return install


def test_confirming_runs_both_arms_of_what_is_suspicious(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, SLOW)
    runs = rerun(SLOW)
    code, out, err = harness("compare", *ARMS, "--confirm", "speed.toml")
    assert (code, out.splitlines()[-1]) == (1, "2 configurations: 1 FAIL, 1 PASS")
    assert "Confirmed: ratio 0.850" in out
    assert "timing again before it alarms: embedded/tiny-bert · fp32 · optim=adafactor, " in err
    ((*cells,),) = runs
    assert {(cell.precision, cell.recipe["optim"]) for cell in cells} == {("fp32", "adafactor"), ("bf16", "adafactor")}
    assert [cell.repeat for cell in cells] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_what_does_not_come_again_does_not_alarm(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, SLOW)
    rerun(ALIKE)
    code, out, _ = harness("compare", *ARMS, "--confirm", "speed.toml")
    assert (code, out.splitlines()[-1]) == (0, "2 configurations: 2 PASS")
    flat = " ".join(out.split())
    assert "Not confirmed: ratio 1.000" in flat
    assert "at first FAIL: ratio 0.850" in flat


def test_confirming_on_a_busy_machine_is_inconclusive(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, SLOW)
    rerun(SLOW, reasons=BUSY)
    code, out, _ = harness("compare", *ARMS, "--confirm", "speed.toml", "--json")
    found = {one["outcome"]: one["reason"] for one in json.loads(out)["verdicts"]}
    assert code == 3
    assert found["INCONCLUSIVE"]["code"] == "speed.not_confirmed"
    assert found["INCONCLUSIVE"]["values"]["why"]["code"] == "speed.not_quiet"
    assert found["PASS"]["code"] == "speed.interval"


@pytest.mark.parametrize(("again", "code"), [(SLOW, 1), (ALIKE, 0)])
def test_confirming_against_earlier_sessions_runs_b_alone(
    harness: Make, grid: Path, rerun: Make, again: Levels, code: int
) -> None:
    for number, level in enumerate((400, 404, 396), start=1):
        session(Path("old"), grid, dict.fromkeys(ALIKE, level), f"s{number}", number)
    session(Path("new"), grid, SLOW, "s9", 9)
    runs = rerun(again)
    found, out, _ = harness("compare", "old/speed", "new/speed", "--confirm", "speed.toml")
    assert found == code
    ((*cells,),) = runs
    assert {(cell.precision, cell.recipe["optim"]) for cell in cells} == {("bf16", "adafactor")}
    assert len(Store(Path("old"), "speed").entries()) == 60
    assert ("Confirmed: ratio" in out) == (code == 1)


def test_nothing_suspicious_runs_nothing(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, ALIKE)
    runs = rerun(SLOW)
    assert harness("compare", *ARMS, "--confirm", "speed.toml")[0] == 0
    assert runs == []


def test_the_grids_margin_counts_with_confirm(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, SLOW)
    runs = rerun(SLOW)
    grid.write_text(GRID.format(processes=5, margin=20), encoding="utf-8")
    code, out, _ = harness("compare", *ARMS, "--confirm", "speed.toml")
    assert (code, runs) == (0, [])
    assert "margin 20 %" in out


def test_a_grid_that_has_changed_cannot_confirm(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, SLOW)
    rerun(SLOW)
    grid.write_text(GRID.format(processes=5, margin=5).replace("measured_steps = 5", "measured_steps = 9"), "utf-8")
    code, _, err = harness("compare", *ARMS, "--confirm", "speed.toml")
    assert code == 2
    assert "--confirm: speed.toml does not time embedded/tiny-bert · bf16 · optim=adafactor (any more)" in err


def test_help_has_an_example(harness: Make) -> None:
    code, out, _ = harness("compare", "--help")
    assert code == 0
    assert "Example: harness compare" in " ".join(out.split())


@pytest.mark.slow
def test_confirming_for_real(harness: Make, grid: Path, tour: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real process an arm, one of them told to have been slow and on a quiet machine: both are timed again."""
    for name in ("HARNESS_CACHE", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, tour.variables[name])
    text = GRID.format(processes=1, margin=5).replace('"adamw_torch", "adafactor"', '"adamw_torch", "sgd"')
    grid.write_text(text.replace('"fp32", "bf16"', '"fp32"'), encoding="utf-8")
    assert harness("run", "speed.toml")[0] == 0
    store = Store(Path("results"), "speed")
    for entry in store.entries():
        path = store.folder / entry.path / "record.json"
        data = json.loads(path.read_text(encoding="utf-8"))
        slow = data["asked"]["recipe"]["optim"] == "sgd"
        data["measured"]["timing"] |= {"median_samples_per_second": 100.0 if slow else 400.0, "noise": {"reasons": []}}
        path.write_text(json.dumps(data), encoding="utf-8")
    store.index.path.unlink()  # it knows that they were edited
    arms = ("results/speed:optim=adamw_torch", "results/speed:optim=sgd")
    code, out, err = harness("compare", *arms, "--confirm", "speed.toml", "--json")
    (found,) = json.loads(out)["verdicts"]
    assert code == 3
    assert (found["reason"]["code"], found["reason"]["values"]["first"]) == ("speed.not_confirmed", "INCONCLUSIVE")
    assert found["reason"]["values"]["before"]["code"] == "speed.few_pairs"
    assert "timing again before it alarms" in err
    sessions = [store.record(entry).measured.timing.session for entry in store.entries()]  # type: ignore[union-attr]
    assert (len(set(sessions)), len(sessions)) == (2, 4)
