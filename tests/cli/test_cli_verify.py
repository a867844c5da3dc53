"""`harness verify` and `harness diff` as a user meets them: one real verification that the tests read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Any]
REPOSITORY = Path(__file__).resolve().parents[2]
ISSUE = "huggingface/transformers#47688"


@dataclass(frozen=True)
class Place:
    """A folder in which `harness` is run as a process of its own."""

    folder: Path

    def harness(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        variables = {name: value for name, value in os.environ.items() if name != "HARNESS_REQUIRE"}
        variables |= {"HARNESS_CACHE": str(self.folder / "cache"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
        variables["PYTHONPATH"] = str(REPOSITORY)
        command = [sys.executable, "-m", "harness", *arguments]
        return subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False)


def cell_ids(verdict: dict[str, Any]) -> list[str]:
    """The cells of the first side, then of the second."""
    return [cell_id for side in ("against", "subject") for cell_id in (verdict[side] or {}).get("cell_ids", [])]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("verify"))


@pytest.fixture(scope="module")
def affected(place: Place) -> subprocess.CompletedProcess[str]:
    return place.harness("verify", "-o", "found.md")


def test_what_a_hub_does_not_give_is_told_with_exit_4(place: Place) -> None:
    grid = 'name = "hub"\ntask = "embedded/paraphrase"\n[matrix]\ncheckpoint = ["nobody/no-such-model"]\nseed = [1]\n'
    (place.folder / "hub.toml").write_text(grid, encoding="utf-8")
    found = place.harness("verify", "hub.toml", "--only", "repeat")
    assert found.returncode == 4
    assert found.stderr.startswith("error: results/verify-hub: no run left a record: checkpoint nobody/no-such-model")


def test_both_defects_are_named_with_their_ratios(place: Place, affected: subprocess.CompletedProcess[str]) -> None:
    assert affected.returncode == 1, affected.stderr
    assert affected.stderr == ""
    lines = affected.stdout.splitlines()
    for kind, ratio in (("accumulation", "4.000 x"), ("devices", "2.000 x")):
        (at,) = [n for n, line in enumerate(lines) if line.startswith(f"FAIL invariants: {kind}: ")]
        assert f"logged loss is {ratio}" in lines[at + 1]
        assert f"gradient norm is {ratio}" in lines[at + 2]
        assert "at step 0" in lines[at + 2]
    assert [line for line in lines if line.startswith(f"[1] {ISSUE}: ")]
    assert "not available" not in affected.stdout
    assert "FAIL: 3 causes in 11 of 50 checks: 2 change training, 1 the log only" in lines
    assert lines[-1] == "62 checks: 11 FAIL, 12 SKIP, 39 PASS"
    # What a CPU does not have is told once each, and is no check of those.
    assert [line.partition(" needs")[0] for line in lines if "    run: skipped: " in line] == [
        "    run: skipped: tf32",
        "    run: skipped: fp16",
    ]


def test_what_watching_and_resuming_change_is_named(affected: subprocess.CompletedProcess[str]) -> None:
    """Upstream's evaluation draws from the stream that dropout uses; a checkpoint of before it lacks the draw."""
    text = " ".join(affected.stdout.split())
    assert text.count("FAIL invariants: resume: ") == 1
    assert re.search(
        "FAIL invariants: resume: .{,200}resume_at=4", text
    )  # an epoch's end; not inside the first, nor in the second
    assert (
        "random state: the same order of examples and the same weights, but another state of torch's random stream "
        "from step 4 on: an evaluation drew 1 number from it" in text
    )
    assert text.count("FAIL invariants: observation: ") == 1
    assert re.search("FAIL invariants: observation: .{,200}eval_strategy=epoch", text)
    assert "`evaluation_draws = false` sets the stream back" in text
    for kind in ("resume (2)", "observation (3)", "checkpointing (1)", "threads (1)", "epoch_end (1)", "epochs (1)"):
        assert f"invariants: {kind}" in text


def test_runs_of_eight_steps_are_not_judged_by_their_scores(affected: subprocess.CompletedProcess[str]) -> None:
    assert "collapsed" not in affected.stdout
    assert "accuracy" not in affected.stdout


def test_the_report_says_the_same(place: Place, affected: subprocess.CompletedProcess[str]) -> None:
    text = (place.folder / "found.md").read_text(encoding="utf-8")
    assert "harness verify -o found.md" in text
    assert text.count("| FAIL ") == 11
    assert f"[{ISSUE}](https://github.com/huggingface/transformers/issues/47688)" in text
    assert "|      0 | 0.693233 -> 2.772932 | 4.000000 |" in text
    verdicts = json.loads((place.folder / "found.json").read_text(encoding="utf-8"))["verdicts"]
    assert len(verdicts) == 62
    ratios = {
        (verdict["item"], finding["item"]): (finding["step"], finding["ratio"], finding["upstream"])
        for verdict in verdicts
        for finding in verdict["findings"]
        if finding["outcome"] == "FAIL" and finding["ratio"] is not None and verdict["check"] == "invariants"
    }
    assert ratios == {
        ("accumulation", "logged loss"): (0, pytest.approx(4.0, rel=1e-5), ISSUE),
        ("accumulation", "gradient norm"): (0, pytest.approx(4.0, rel=1e-5), ISSUE),
        ("devices", "logged loss"): (0, pytest.approx(2.0, rel=1e-5), ISSUE),
        ("devices", "gradient norm"): (0, pytest.approx(2.0, rel=1e-5), ISSUE),
    }


def test_reuse_runs_nothing_and_says_the_same(place: Place, affected: subprocess.CompletedProcess[str]) -> None:
    again = place.harness("verify", "--reuse")
    assert again.returncode == 1
    assert "done  " not in again.stdout
    assert again.stdout.splitlines()[-1] == affected.stdout.splitlines()[-1]


def test_a_grid_calls_its_runs_by_its_own_words(place: Place, affected: subprocess.CompletedProcess[str]) -> None:
    shipped = (REPOSITORY / "harness/shipped/verify.toml").read_text(encoding="utf-8")
    (place.folder / "named.toml").write_text(shipped + '[label]\n"embedded/tiny-bert" = "tiny"\n', encoding="utf-8")
    done = place.harness("verify", "named.toml", "--reuse", "--json")
    sides = [one[side] for one in json.loads(done.stdout)["verdicts"] for side in ("subject", "against") if one[side]]
    assert done.returncode == 1
    assert {one["shown"].removeprefix("tiny") for one in sides} == {
        one["label"].removeprefix("embedded/tiny-bert") for one in sides
    }


WAIVERS = "".join(
    f"""
[[tool.harness.waiver]]
check = "{check}"
issue = "https://github.com/huggingface/transformers/issues/47688"
bound = 4.01
reason = "known"
author = "Ada"
expires = "2999-12-31"
"""
    for check in ("invariants", "fidelity", "reproducibility")
)


def test_a_known_defect_is_waived_up_to_its_bound(place: Place, affected: subprocess.CompletedProcess[str]) -> None:
    project = place.folder / "pyproject.toml"
    project.write_text(WAIVERS, encoding="utf-8")
    done = place.harness("verify", "--reuse", "--junit", "waived.xml", "-o", "waived.md")
    assert done.returncode == 1, done.stdout  # the two whose cause is another issue are red
    lines = done.stdout.splitlines()
    assert lines[-1] == "62 checks: 2 FAIL, 9 FAIL (waived), 12 SKIP, 39 PASS"
    assert "FAIL: 3 causes in 11 of 50 checks: 1 changes training, 2 waived" in lines
    assert "waivers: 2 used, 1 unused" in lines
    suite = ET.parse(place.folder / "waived.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("failures"), suite.get("skipped")) == ("2", "21")  # 9 are waived, 12 need a GPU
    bounds = [one.get("value") for one in suite.findall("testcase/properties/property[@name='waiver_bound']")]
    assert bounds == ["4.01"] * 9
    assert "Waivers: 2 used, 1 unused." in (place.folder / "waived.md").read_text(encoding="utf-8")

    # With the bound between the two defects, the larger one is red and the smaller one is not.
    project.write_text(WAIVERS.replace("4.01", "3.9"), encoding="utf-8")
    done = place.harness("verify", "--reuse", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["counts"]["FAIL"], found["counts"]["waived"]) == (1, 11, 7)
    assert [fact["values"]["use"] for fact in found["head"]["waivers"]] == ["exceeded", "exceeded", "unused"]
    project.write_text(WAIVERS.replace("bound", "bonud"), encoding="utf-8")
    done = place.harness("verify", "--reuse")
    assert (done.returncode, "did you mean bound?" in done.stderr) == (2, True)
    project.unlink()


def test_json_stands_alone_on_standard_output(place: Place, affected: subprocess.CompletedProcess[str]) -> None:
    done = place.harness("verify", "--reuse", "--json")
    assert (done.returncode, len(json.loads(done.stdout)["verdicts"])) == (1, 62)


@pytest.mark.slow
def test_with_the_work_around_everything_passes(place: Place) -> None:
    done = place.harness("verify", "--work-around")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "62 checks: 12 SKIP, 50 PASS"
    assert "not available" not in done.stdout


def test_diff_names_the_first_difference(place: Place, affected: subprocess.CompletedProcess[str]) -> None:
    verdicts = json.loads((place.folder / "found.json").read_text(encoding="utf-8"))["verdicts"]
    by_check = {verdict["item"] or verdict["check"]: cell_ids(verdict) for verdict in verdicts}
    done = place.harness("diff", *by_check["accumulation"])
    assert done.returncode == 1
    assert done.stdout.startswith("DIFFERENT  from step 0 on: the gradient norm of B is 4.000 x A's.")
    said = " ".join(done.stdout.split())
    assert (
        f"Why: in B nobody divides the loss by its 4 micro-batches ({ISSUE}); gradient_accumulation_steps 1 -> 4"
        in said
    )
    assert f"{ISSUE}: the model's forward takes any keyword" in said
    assert "logged loss 0.693233 -> 2.77293 4.000 x" in said
    done = place.harness("diff", *by_check["reproducibility"], "--exact")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "IDENTICAL  to the last bit: 8 steps (losses, gradient norms, weights, logits, scores)"
    )
    (found,) = json.loads(place.harness("diff", *by_check["reproducibility"], "--json").stdout)["verdicts"]
    assert (found["check"], found["outcome"], found["reason"]["code"]) == ("diff", "PASS", "diff.identical")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "--only", "repeet"], '--only: got "repeet"; allowed repeat, '),
        (["verify", "quickstart", "--checkpoint", "x"], '--checkpoint: got "x" beside the grid quickstart'),
        (["verify", "--steps", "21"], "20"),
        (["verify", "none.toml"], '"none.toml": no such grid'),
        (["diff", "nowhere", "nothing"], '"nowhere": no run of such an id in results'),
        (["diff", "a/b", "c"], '"a/b": no such run; allowed a run\'s folder'),
    ],
)
def test_usage_errors_are_exit_2(
    harness: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = harness(*arguments)
    assert code == 2
    assert said in err


def test_an_id_means_the_attempt_that_counts(place: Place, affected: subprocess.CompletedProcess[str]) -> None:
    verdicts = json.loads((place.folder / "found.json").read_text(encoding="utf-8"))["verdicts"]
    cell = next(cell_ids(verdict)[0] for verdict in verdicts if verdict["check"] == "reproducibility")
    place.harness("verify", "--only", "repeat", "--select", "precision=fp32", "--select", "devices=1")
    done = place.harness("diff", cell, cell)
    assert (done.returncode, done.stdout[:37]) == (0, "IDENTICAL  the same run on both sides")
