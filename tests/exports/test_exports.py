"""`harness export --to`: each form is read back by what it is for; what is a FAIL is published in none."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import SpecError
from harness.pipelines.publish.frame import frame
from harness.report.export.columns import Row
from harness.report.export.hub import eval_results, model_card
from harness.report.export.published import publishable
from harness.report.export.tracked import Tracked
from harness.report.files import read_report
from harness.task import GLUE, Task
from tests.checks.conftest import build_run
from tests.cli.made_up_nights import WRONG, Night

Make = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = "is installed by `tox -e exports`"
MEAN = {"fp32": 100 * (1 - sum(WRONG.values()) / 5 / 240), "bf16": 100 * (1 - (sum(WRONG.values()) + 3) / 5 / 240)}
"""Points of accuracy."""


def test_bencher_has_means_with_intervals(night: Night, harness: Make) -> None:
    code, out, err = harness("export", "night.toml", "--to", "bencher")
    assert (code, "marked: fp32: not judged" in err) == (0, True)
    data = json.loads(out)
    assert list(data) == ["night · fp32", "night · bf16"]
    found = data["night · bf16"]["accuracy-points"]
    assert found["value"] == pytest.approx(MEAN["bf16"])
    assert found["lower_value"] < found["value"] < found["upper_value"]
    assert all(set(one) <= {"value", "lower_value", "upper_value"} for each in data.values() for one in each.values())


def test_what_is_a_fail_is_not_published(night: Night, harness: Make) -> None:
    night.measure(night.cells("bf16"), more=20, measurement=2)
    code, out, err = harness("export", "night.toml", "--to", "bencher")
    assert (code, list(json.loads(out))) == (0, ["night · fp32"])
    assert "not published: bf16: FAIL" in err
    code, _, err = harness("export", "night.toml", "--to", "bencher", "-s", "precision=bf16")
    assert (code, "nothing may be published: bf16 (FAIL)" in err) == (5, True)
    # The runs themselves are data, and all of them are there.
    rows = list(csv.DictReader(io.StringIO(harness("export", "night.toml", "--to", "csv")[1])))
    assert len(rows) == 10


def test_what_is_inconclusive_is_marked(night: Night, harness: Make) -> None:
    for cell in night.cells("bf16"):
        night.put(cell, WRONG[cell.seed] + 4 * cell.seed % 10, measurement=2)
    code, out, err = harness("export", "night.toml", "--to", "bencher")
    assert (code, list(json.loads(out))) == (0, ["night · fp32", "night · bf16-bencher-ignore"])
    assert "marked: bf16: INCONCLUSIVE" in err
    pytest.importorskip("huggingface_hub")
    card = harness("export", "night.toml", "--to", "model-card", "-s", "precision=bf16")[1]
    assert "name: Accuracy in points, mean of 5 runs, INCONCLUSIVE" in card
    assert "seeds 1 to 5" in card


def test_a_fail_that_is_only_reported_holds_back_its_metric() -> None:
    found = read_report(ROOT / "reports" / "accumulation-mrpc-cpu.json")
    (one,) = (verdict for verdict in found.verdicts if verdict.check == "parity" and verdict.item == "accuracy")
    reported = replace(one, item="f1", gates=False, outcome="FAIL")
    kept, held = publishable(found.model, [one, reported])
    of_b = next(each for each in kept if each.row.configuration_id == one.subject.configuration_id)
    assert [line.metric for line in of_b.lines] == ["accuracy"]
    assert [(each.metric, each.why) for each in held] == [("f1", "FAIL")]
    waived = replace(one, outcome="FAIL", waiver=one.reason)
    kept, held = publishable(found.model, [waived])
    assert [each.why for each in held] == ["FAIL"], "a waiver makes it no success"


def test_csv_and_parquet_are_the_frame(night: Night, harness: Make, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    wanted = frame("night")
    code, out, _ = harness("export", "night.toml", "--to", "csv")
    assert (code, len(list(csv.DictReader(io.StringIO(out))))) == (0, 10)
    assert float(next(csv.DictReader(io.StringIO(out)))["accuracy_fraction"]) == wanted.accuracy_fraction[0]
    pytest.importorskip("pyarrow")
    assert harness("export", "results/night", "--to", "parquet", "-o", "sub/runs.parquet")[0] == 0
    pandas.testing.assert_frame_equal(pandas.read_parquet(tmp_path / "sub" / "runs.parquet"), wanted)


def test_what_cannot_be_asked(night: Night, harness: Make) -> None:
    for arguments, said in (
        (("--to", "wandb"), 'got "wandb"; allowed parquet, csv, bencher'),
        (("--to", "parquet"), "--to parquet: needs --out with a file"),
        (("--to", "model-card"), "is of one model, got 2 configurations: fp32, bf16; allowed --select"),
        (("--to", "bencher", "--session", "s1"), "--session: got it beside --to bencher"),
        (("--to", "csv", "-s", "precision=bf16"), "--select: got it beside --to csv"),
    ):
        code, _, err = harness("export", "night.toml", *arguments)
        assert (code, said in err) == (2, True), err
    assert harness("export", "results/night", "--to", "bencher")[0] == 0  # their grid is known


def test_a_package_that_is_not_installed_is_one_line(
    night: Night, harness: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, target in (("tensorboard.summary", "tensorboard"), ("trackio.sqlite_storage", "trackio")):
        monkeypatch.setitem(sys.modules, module, None)
        code, _, err = harness("export", "night.toml", "--to", target, "-o", "there")
        assert code == 4
        assert f"pip install {target}" in err
        assert len([line for line in err.splitlines() if line.startswith("error")]) == 1


def test_the_hubs_forms_are_read_by_its_own_library() -> None:
    hub = pytest.importorskip("huggingface_hub")
    yaml = pytest.importorskip("yaml")
    found = read_report(ROOT / "reports" / "accumulation-mrpc-cpu.json")
    kept, _ = publishable(found.model, found.verdicts)
    one = kept[0]
    mean = one.row.ok["accuracy"].mean
    text = eval_results(found.model, one, GLUE["glue/mrpc"])
    (entry,) = hub.parse_eval_result_entries(yaml.safe_load(text))
    assert (entry.dataset_id, entry.task_id) == ("nyu-mll/glue", "mrpc")
    assert entry.value == pytest.approx(mean, abs=0.05)
    assert "mean of 5 runs, seeds 1 to 4, 42, sd" in entry.notes
    with pytest.raises(SpecError, match="allowed a data set of the Hub"):
        eval_results(found.model, one, Task("embedded/paraphrase"))
    card = hub.ModelCard(model_card(found.model, one, GLUE["glue/mrpc"]))
    results = {each.metric_type: each for each in card.data.eval_results}
    assert set(results) == {"accuracy", "f1"}
    assert results["accuracy"].metric_value == pytest.approx(mean, abs=0.05)
    assert (results["f1"].dataset_type, results["f1"].dataset_config) == ("nyu-mll/glue", "mrpc")
    assert "| Accuracy |" in card.text


def test_a_model_card_says_of_what_the_scores_are() -> None:
    hub = pytest.importorskip("huggingface_hub")
    found = read_report(ROOT / "reports" / "accumulation-mrpc-cpu.json")
    one = publishable(found.model, found.verdicts)[0][0]
    row = replace(one.row, examples=1440)
    known = replace(one, row=row, lines=tuple(replace(line, row=row) for line in one.lines[:1]))
    files = {"train": "train.csv", "validation": "dev.csv"}
    own = Task("train.csv", splits=files, files=files, own=True)
    card = hub.ModelCard(model_card(replace(found.model, task="topics of the news"), known, own))
    (result,) = card.data.eval_results
    assert (result.dataset_name, result.dataset_type, result.dataset_split) == (
        "topics of the news", "dev.csv", "validation",
    )  # fmt: skip
    assert result.metric_name == f"Accuracy in points, mean of 5 runs on 1,440 examples, {one.state}"
    assert "topics of the news, validation split of 1,440 examples: mean of 5 runs" in card.text
    assert f"Verdict on these runs: {'none' if one.state == 'not judged' else one.state}" in card.text
    (facts,) = found.model.checkpoints
    told = f"`{facts.source}`, {facts.parameters:,} parameters, sha256 `{facts.sha256[:12]}`"
    assert f"Fine-tuned from {told}." in card.text
    (unlabelled,) = hub.ModelCard(model_card(replace(found.model, task="train.csv"), known, own)).data.eval_results
    assert unlabelled.dataset_name == "dev.csv"
    # A further split has its own name, and no count of examples that is known.
    lines = (*known.lines, replace(known.lines[0], metric="accuracy_mismatched"))
    both = hub.ModelCard(model_card(found.model, replace(known, lines=lines), GLUE["glue/mnli"])).data.eval_results
    assert [each.dataset_split for each in both] == ["validation_matched", "validation_mismatched"]
    assert "examples" not in both[1].metric_name


def test_otava_reads_its_files_and_finds_a_change(night: Night, harness: Make, tmp_path: Path) -> None:
    for measurement in range(2, 14):
        for cell in night.cells("fp32"):
            wrong = WRONG[cell.seed] + measurement % 2 + 24 * (measurement > 7)
            night.put(cell, wrong, measurement=measurement, day=26)
    assert harness("export", "results/night", "--to", "otava", "-o", "otava")[0] == 0
    (path,) = (tmp_path / "otava").glob("night-fp32-*.csv")
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert [int(row["runs"]) for row in rows] == [5] * 13
    assert float(rows[0]["accuracy_points"]) == pytest.approx(MEAN["fp32"])
    pytest.importorskip("otava", reason=f"apache-otava {ENVIRONMENT}")
    program = [sys.executable, "-c", "from otava.main import main; main()", "analyze", "--config-file", "otava.yaml"]
    done = subprocess.run([*program, path.stem], cwd=path.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "accuracy_points" in line or "%" in line]
    assert any("%" in line for line in lines), done.stdout


def test_series_stand_at_their_steps_and_have_gaps() -> None:
    series = {"loss": np.array([0.7, np.nan, 0.5], np.float32), "learning_rate": np.array([3e-5, 2e-5, 1e-5])}
    record = build_run(first=4).record
    row = Row("g", "abcd/e0", "tiny", "ok", record.entry("cells/ab/abcd/e0/001"), record)
    one = Tracked(row, series, 4, "not judged")
    assert [*one.points()] == [
        ("train/loss", 5, pytest.approx(0.7)), ("train/loss", 7, 0.5), ("train/learning_rate", 5, 3e-5),
        ("train/learning_rate", 6, 2e-5), ("train/learning_rate", 7, 1e-5),
    ]  # fmt: skip
    assert record.measured is not None
    assert one.scores["accuracy_fraction"] == record.measured.metrics["accuracy"]
    assert one.scores["validation_loss"] == record.measured.metrics["loss"]
    assert (one.parameters["verdict"], one.parameters["precision"]) == ("not judged", "fp32")


def test_tensorboard_reads_scores_and_series(night: Night, harness: Make, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason=f"tensorboard {ENVIRONMENT}")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):  # once more changes nothing
        assert harness("export", "night.toml", "--to", "tensorboard", "-o", "board")[0] == 0
    folders = sorted((tmp_path / "board").iterdir())
    assert len(folders) == 10
    read = EventAccumulator(str(next(path for path in folders if path.name.startswith("bf16 seed 2"))))
    read.Reload()
    event = next(iter(read.Tensors("accuracy_fraction")))
    assert event.tensor_proto.float_val[0] == pytest.approx(1 - 42 / 240)
    assert len(list((tmp_path / "board").rglob("events*"))) == 10


def test_mlflow_reads_scores_parameters_and_the_verdict(night: Night, harness: Make, tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason=f"mlflow {ENVIRONMENT}")
    from mlflow.tracking import MlflowClient

    for _ in range(2):
        assert harness("export", "night.toml", "--to", "mlflow", "-o", "m.db")[0] == 0
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'm.db'}")
    experiment = client.get_experiment_by_name("night")
    runs = {
        (one.data.params["precision"], one.data.params["seed"]): one
        for one in client.search_runs([experiment.experiment_id])
    }
    assert len(runs) == 10
    one = runs["bf16", "2"]
    assert one.data.metrics["accuracy_fraction"] == pytest.approx(1 - 42 / 240)
    assert one.data.tags["harness.verdict"] == "PASS"
    assert one.data.params["recipe.max_steps"] == "4"
    assert one.info.status == "FINISHED"


def test_trackio_reads_scores_and_parameters(night: Night, harness: Make, tmp_path: Path) -> None:
    if importlib.util.find_spec("trackio") is None:  # importing it fixes its folder
        pytest.skip(f"trackio {ENVIRONMENT}")
    for _ in range(2):
        assert harness("export", "night.toml", "--to", "trackio", "-o", "tracks")[0] == 0
    assert harness("export", "night.toml", "--to", "trackio", "-o", "elsewhere")[0] == 4
    code = (
        "from trackio.sqlite_storage import SQLiteStorage as S\n"
        "runs = [r for r in S.get_runs('night') if r.startswith('bf16 · seed 2')]\n"
        "print(len(S.get_runs('night')), len(runs))\n"
        "(row,) = [log for log in S.get_logs('night', runs[0]) if 'accuracy_fraction' in log]\n"
        "print(row['accuracy_fraction'], S.get_run_config('night', runs[0])['verdict'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "TRACKIO_DIR": str(tmp_path / "tracks")},
    )  # fmt: skip
    first, second = done.stdout.splitlines()[-2:]
    assert first == "10 1"
    assert second.split() == [str(1 - 42 / 240), "PASS"]
