"""`harness diff` on what Trainers logged: trainer_state.json of real runs of a tiny BERT, 24 steps, each second logged.

tests/data/trainer_state has a run, the same again, with twice the learning rate, with 4 x 2 micro-batches in the place
of 8, and logged each step.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.checks.verify.diff.logged import diff_logged
from harness.checks.verify.diff.trainer_state import read_trainer_state

DATA = Path(__file__).resolve().parents[1] / "data" / "trainer_state"
Make = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("other", "code", "begins"),
    [
        ("again", 0, "IDENTICAL as far as logged: 12 losses, 12 gradient norms, 12 learning rates, 2 other logged "
         "values; no weights, no fingerprint"),
        ("rate", 1, "DIFFERENT as far as logged, from step 2 on: logged loss 0.692685 -> 0.6925905, -1.4e-04 off. Why: "
         "learning rate 0.0009583333 -> 0.001916667"),
        ("accumulated", 1, "DIFFERENT as far as logged, from step 2 on: the logged loss of B is 2.001 x A's. Why: "
         "train_batch_size 8 -> 4"),
        # A loss is the mean since the one before: of these none is comparable.
        ("often", 0, "IDENTICAL as far as logged: 12 gradient norms, 12 learning rates"),
    ],
)  # fmt: skip
def test_the_first_line_says_what_logs_can_tell(harness: Make, other: str, code: int, begins: str) -> None:
    found, out, _ = harness("diff", str(DATA / "a.json"), str(DATA / f"{other}.json"))
    assert (found, " ".join(out.split())[: len(begins)]) == (code, begins)


def test_a_folder_of_checkpoints_means_its_last(harness: Make, tmp_path: Path) -> None:
    for step, name in ((9, "rate"), (12, "a")):
        (tmp_path / "out" / f"checkpoint-{step}").mkdir(parents=True)
        shutil.copy(DATA / f"{name}.json", tmp_path / "out" / f"checkpoint-{step}" / "trainer_state.json")
    code, out, _ = harness("diff", str(tmp_path / "out"), str(DATA / "again.json"), "--json")
    (verdict,) = json.loads(out)["verdicts"]
    assert (code, verdict["reason"]["code"]) == (0, "diff.logged.identical")


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], None], shift: int = 0) -> Path:
    data = json.loads((DATA / "a.json").read_text(encoding="utf-8"))
    for one in data["log_history"]:
        one["step"] += shift
        change(one)
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def outcome(a: Path, b: Path, exact: bool = False) -> tuple[str, str]:
    found = diff_logged(read_trainer_state(a), read_trainer_state(b), exact)
    return found.outcome, found.reason.code


def test_what_rounding_may_do_is_undecided_and_what_it_cannot_do_is_not(tmp_path: Path) -> None:
    late = 1000  # all steps are far beyond those after which rounding may have grown

    def by(factor: float, names: tuple[str, ...] = ("grad_norm",), of: float = 0) -> Callable[[dict[str, Any]], None]:
        def change(one: dict[str, Any]) -> None:
            for name in set(names) & one.keys():
                one[name] *= factor + of * one["step"]

        return change

    same = changed(tmp_path, by(1), late)
    assert outcome(same, changed(tmp_path, by(1 + 1e-7), late)) == ("PASS", "diff.logged.equal")
    assert outcome(same, changed(tmp_path, by(1 + 1e-7), late), exact=True) == ("FAIL", "diff.logged.different")
    growing = changed(tmp_path, by(1, of=1e-6), late)
    assert outcome(same, growing) == ("INCONCLUSIVE", "diff.logged.unknown")
    assert outcome(same, changed(tmp_path, by(2), late)) == ("FAIL", "diff.logged.different")
    assert outcome(same, changed(tmp_path, by(1, ("learning_rate",), 1e-6), late))[0] == "FAIL"
    assert outcome(same, DATA / "a.json") == ("INCONCLUSIVE", "diff.logged.nothing")

    def to_four_digits(one: dict[str, Any]) -> None:
        if "loss" in one:
            one["loss"] = round(one["loss"], 4)

    assert outcome(DATA / "a.json", changed(tmp_path, to_four_digits)) == ("PASS", "diff.logged.equal")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no whole JSON file"),
        ('{"log_history": [{"step": 2, "lo', "is no whole JSON file"),
        ('{"log_history": 3}', "log_history: got 3"),
        ('{"log_history": []}', "got no logged value; allowed at least one"),
        ('{"log_history": [{"loss": 1.0}]}', "log_history.0.step: got"),
        ('{"log_history": [{"step": 1, "loss": "x"}]}', 'log_history.0.loss: got "x"; allowed a number'),
        ("[" * 100_000, "is no whole JSON file"),
        (None, "no such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error(harness: Make, tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "trainer_state.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    code, _, err = harness("diff", str(DATA / "a.json"), str(path))
    assert code == 2
    assert (str(path) in err, said in err, err.count("error: ")) == (True, True, 1)


def test_a_run_of_the_harness_is_no_other_side(harness: Make, tmp_path: Path) -> None:
    code, _, err = harness("diff", str(DATA / "a.json"), str(tmp_path))
    assert code == 2
    assert "is no trainer_state.json" in err
