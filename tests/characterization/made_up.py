"""A store made up from a few tables: every status, two environments, twins, timing sessions. Written as files alone.

It holds no history of which the commands disagree today (house.md 3.2): nothing that collapsed or lost its loss was
tried again, and each cell has one content.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

REPOSITORY: Final = Path(__file__).resolve().parents[2]
TEMPLATE: Final = REPOSITORY / "tests" / "data" / "records" / "v1" / "ok.json"
GRIDS: Final = Path(__file__).parent / "grids"
NOON: Final = datetime(2020, 2, 2, 12)
OLD, NEW = "0ld0" + "a" * 16, "1new" + "b" * 16
CONTENT: Final = "c0" * 10
ASKED: Final[Mapping[str, Any]] = {
    "seed": 42, "precision": "fp32", "devices": 1, "environment": "current", "engine": "trainer",
    "head_seeding": "seeded", "threads": 1, "recipe_defaults": None,
}  # fmt: skip
COURSE: Final = {"learning_rate": 5e-5, "per_device_train_batch_size": 8, "num_train_epochs": 3.0}
UNCASED, CASED = "google-bert/bert-base-uncased", "google-bert/bert-base-cased"
TINY: Final = "embedded/tiny-bert"
SEEDS: Final = (42, 1, 2, 3, 4)
MRPC, PARAPHRASE = (3668, 2474, 408, 279), (800, 533, 240, 160)
"""Examples and positives of the training and the validation split."""

SCORES: Final[Mapping[tuple[str, str, str], tuple[int | str | None, ...]]] = {
    # (checkpoint, precision, environment): right answers of 408, or a status, for each seed
    ("google-bert/bert-base-uncased", "fp32", OLD): (349, 353, None, None, 350),
    ("google-bert/bert-base-uncased", "fp32", NEW): (350, 352, 347, 354, 351),
    ("google-bert/bert-base-uncased", "bf16", NEW): (351, 350, "collapsed", 353, "nonfinite"),
    ("google-bert/bert-base-uncased", "fp16", NEW): (331, 333, 329, 334, 332),
    ("cased", "fp32", NEW): (343, "failed", 345, "killed", "timeout"),
    ("cased", "fp16", NEW): ("skipped",) * 5,
}
RETRIED: Final = ("killed", "oom", "failed", "interrupted")
"""What the first seeds of ("uncased", "fp16") met before they went well: one status a seed."""

ENVIRONMENTS: Final = {"current": (210, 212, 209, 211, 213), "other": (209, 212, 210)}
"""Right answers of 240 by the axis `environment` of the grid `looks`; the second has its first look only."""

EVEN, OTHER = (1.0, 1.01, 0.99, 1.005, 0.995), (0.998, 1.012, 0.988, 1.002, 0.998)
RATES: Final = {("fp32", "adamw_torch"): 400.0, ("fp32", "adafactor"): 380.0, ("bf16", "adamw_torch"): 401.0,
                ("bf16", "adafactor"): 330.0}  # fmt: skip
BUSY: Final = "other processes kept 0.53 cores busy (at most 0.1)"


FOLDER_TASK: Final = 'task = "../../shared/data/mrpc"'
"""The task of three grids when their ids were written down, for ever; a grid that names another one has other ids.

Text to hash, and no place to read: from a copy in a test's own folder it leads to a folder that is not there.
"""
BENCHMARKS: Final = ("accumulation-mrpc", "invariants", "minilm-mrpc", "mrpc", "quickstart", "throughput-aa",
                     "throughput-cpu", "throughput-gpu", "throughput-planted", "verify", "versions")  # fmt: skip
PLACES: Final = ("tests/characterization/grids/ids", "benchmarks", "harness/shipped")
"""Where a grid lies; first those that are kept as they were when their ids were written down."""
OF_FOLDER: Final = ("accumulation-mrpc", "minilm-mrpc", "throughput-cpu")


def copy_benchmarks(folder: Path) -> list[str]:
    """Copy the project's grids as far as their ids go: three with that task, and with interpreters that exist."""
    names = [f"{name}.toml" for name in BENCHMARKS]
    for name in names:
        grid = next(path for place in PLACES if (path := REPOSITORY / place / name).is_file())
        text = re.sub(r'^python = ".*"$', f'python = "{sys.executable}"', grid.read_text(encoding="utf-8"), flags=re.M)
        if grid.stem in OF_FOLDER:
            text = re.sub(r"^task = .*$", FOLDER_TASK, text, flags=re.M)
            text = re.sub(r'^(task_folder|"glue/mrpc") = .*\n', "", text, flags=re.M)
        (folder / name).write_text(text, encoding="utf-8")
    return names


def short_hash(asked: Mapping[str, Any]) -> str:
    """The hash of what was asked for, written down a second time: `cell_id` for ever."""
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def ids(asked: Mapping[str, Any]) -> tuple[str, str]:
    """(cell_id, configuration_id) of what is asked, by its full form."""
    left_out = {"seed", "repeat"} if "timing" in asked else {"seed"}
    return short_hash(asked), short_hash({name: value for name, value in asked.items() if name not in left_out})


def asked_of(task: str, source: str, recipe: Mapping[str, Any], **own: Any) -> dict[str, Any]:
    """Everything that a cell asks for, as its identity has it."""
    checkpoint = {"source": source, "revision": None, "config": {}}
    return {**ASKED, "task": task, "checkpoint": checkpoint, "recipe": dict(recipe), **own}


class Maker:
    """Writes the records of one grid's results; each comes a minute after the one before."""

    def __init__(self, root: Path, grid: str, split: tuple[int, int, int, int]) -> None:
        self.folder = root / grid
        self.grid = grid
        self.split = split
        self.minutes = 0

    def put(
        self, asked: Mapping[str, Any], axes: Mapping[str, Any], status: str, right: int = 0, *,
        name: str | None = None, environment: str = NEW, content: str = CONTENT,
        timing: Mapping[str, Any] | None = None, twin: int = 0,
    ) -> None:  # fmt: skip
        """Write one attempt: `right` answers on the validation split, of which `twin` moves the wrong ones."""
        cell_id, configuration_id = ids(asked)
        parent = self.folder / "cells" / cell_id[:2] / cell_id / environment
        attempt = 1 + (len(list(parent.iterdir())) if parent.exists() else 0)
        folder = parent / f"{attempt:03d}"
        folder.mkdir(parents=True)
        begun = NOON + timedelta(minutes=self.minutes)
        self.minutes += 1
        data = json.loads(TEMPLATE.read_text(encoding="utf-8"))
        data.update(
            grid=self.grid, cell_id=cell_id, configuration_id=configuration_id, environment_id=environment,
            content_id=None if status == "skipped" else content, attempt=attempt, status=status,
            started=_time(begun), finished=_time(begun + timedelta(seconds=50)), series={}, series_sha256=None,
            asked={**asked, "checkpoint": {"name": name or asked["checkpoint"]["source"], **asked["checkpoint"]},
                   "axes": dict(axes)},
        )  # fmt: skip
        if status in ("ok", "collapsed"):
            self._observe(data["observed"], asked, environment)
            data["measured"] = _timed(timing) if timing else self._scored(data["measured"], right, asked["seed"])
            if not timing:
                data["series"] = self._series(folder / "series.npz", right, asked, twin)
        else:
            seen = status in ("nonfinite", "timeout")
            data["observed"] = self._observe(data["observed"], asked, environment) if seen else None
            data["measured"] = None
            data["failure"] = {"type": status, "message": f"{status} for the test", "details": "a\nb\n"}
        (folder / "record.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")

    def _observe(self, observed: dict[str, Any], asked: Mapping[str, Any], environment: str) -> dict[str, Any]:
        if environment == OLD:
            observed["packages"].update(transformers="4.45.2", torch="2.12.0+cpu")
        splits = ("train", *self.split[:2]), ("validation", *self.split[2:])
        observed["data"]["source"] = asked["task"]
        for split, examples, positives in splits:
            labels = [examples - positives, positives]
            observed["data"][split] = {"examples": examples, "labels": labels, "sha256": split[0] * 64}
        full = "num_train_epochs" in asked["recipe"]
        whole = {"max_steps": -1} if full else {}
        observed["arguments"].update(whole | asked["recipe"], seed=asked["seed"], bf16=asked["precision"] == "bf16")
        observed["optimizer_steps"] = 1377 if full else 100
        return observed

    def _scored(self, measured: dict[str, Any], right: int, seed: int) -> dict[str, Any]:
        examples, positives = self.split[2:]
        wrong = examples - right
        fn = 0 if right == positives else wrong // 3  # a collapsed run answers yes to all
        counts = {"tp": positives - fn, "fp": wrong - fn, "fn": fn, "tn": examples - positives - (wrong - fn)}
        f1 = 2 * counts["tp"] / (2 * counts["tp"] + wrong)
        metrics = {"accuracy": right / examples, "f1": f1, "loss": 0.4 + seed / 1000}
        seconds = {name: value * (1 + seed / 500) for name, value in measured["seconds"].items()}
        epoch = {"epoch": 1.0, "step": 100, "metrics": metrics}
        confusion = {"counts": [[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]]}
        rate = measured["train_samples"] / seconds["train"]
        return {**measured, "metrics": metrics, "confusion": confusion, "epochs": [epoch], "seconds": seconds,
                "train_samples_per_second": rate}  # fmt: skip

    def _series(self, path: Path, right: int, asked: Mapping[str, Any], twin: int) -> dict[str, list[int]]:
        """Per-step arrays and answers: as many right ones as said, the wrong ones drawn by seed and `twin`."""
        examples, positives = self.split[2:]
        labels = (np.arange(examples) < positives).astype(np.int64)
        order = np.random.RandomState(asked["seed"]).permutation(examples)
        wrong = np.roll(order, -twin)[: examples - right]
        answers = labels.copy()
        answers[wrong] = 1 - answers[wrong]
        steps = np.arange(100)
        series = {
            "loss": 0.7 - 0.003 * steps + 0.0001 * ((steps * 7 + asked["seed"]) % 11),
            "grad_norm": 1.0 + 0.01 * (steps % 5), "learning_rate": 5e-5 * (1 - steps / 100),
            "step_seconds": 0.5 + 0 * steps, "data_seconds": 0.01 + 0 * steps,
            "logits": np.stack([1.0 - 2 * answers, 2.0 * answers - 1], axis=1), "labels": labels,
        }  # fmt: skip
        np.savez(path, **series)
        return {name: list(array.shape) for name, array in series.items()}


def make_results(root: Path) -> None:
    """Write the results of the four grids, and of `speed` once more as it was before, below `root`."""
    _scores(Maker(root, "scores", MRPC))
    _looks(Maker(root, "looks", PARAPHRASE))
    _both(Maker(root, "both", PARAPHRASE))
    before = Maker(root / "before", "speed", PARAPHRASE)
    for number, level in enumerate((1.0, 1.003, 0.998)):
        _speed(before, f"b{number}", {arm: level * rate for arm, rate in RATES.items()})
    after = Maker(root, "speed", PARAPHRASE)
    after.minutes = 600
    _speed(after, "s1")
    _speed(after, "s2", {("bf16", "adamw_torch"): 371.0}, busy="adafactor")


def _scores(make: Maker) -> None:
    for (name, precision, environment), runs in SCORES.items():
        source = CASED if name == "cased" else name
        for place, (seed, run) in enumerate(zip(SEEDS, runs, strict=True)):
            asked = asked_of("glue/mrpc", source, COURSE, seed=seed, precision=precision)
            axes = {"checkpoint": name, "seed": seed, "precision": precision}
            own: dict[str, Any] = {"name": name, "environment": environment}
            if (name, precision) == (UNCASED, "fp16") and place < len(RETRIED):
                make.put(asked, axes, RETRIED[place], **own)
            if isinstance(run, int):
                make.put(asked, axes, "ok", run, twin=3 * (precision == "bf16"), **own)
            elif run is not None:
                make.put(asked, axes, run, MRPC[3], **own)


def _looks(make: Maker) -> None:
    for environment, runs in ENVIRONMENTS.items():
        for seed, right in zip(SEEDS, runs, strict=False):
            asked = asked_of("embedded/paraphrase", TINY, {"max_steps": 100}, seed=seed, environment=environment)
            axes = {"checkpoint": TINY, "seed": seed, "environment": environment}
            make.put(asked, axes, "ok", right, environment=OLD if environment == "other" else NEW, twin=right % 7)


def _both(make: Maker) -> None:
    for seed in (42, 1):
        for precision in ("fp32", "bf16"):
            asked = asked_of("embedded/paraphrase", TINY, {"max_steps": 100}, seed=seed, precision=precision)
            make.put(asked, {"checkpoint": TINY, "seed": seed, "precision": precision}, "ok", 200 + seed % 5)
    place = 0
    for repeat, precisions in ((1, ("fp32", "bf16")), (2, ("bf16", "fp32"))):
        for precision in precisions:
            place += 1
            asked = _timing_cell({"max_steps": 100}, precision, repeat)
            rate = 300.0 + 40 * (precision == "bf16") + repeat
            make.put(asked, {"checkpoint": TINY, "seed": 42, "precision": precision}, "ok",
                     timing=_timing(rate, "s1", place))  # fmt: skip


def _speed(make: Maker, session: str, rates: Mapping[tuple[str, str], float] | None = None, busy: str = "") -> None:
    """A session of all five processes; `busy` names the optimizer whose windows were disturbed."""
    for place, (repeat, precision, optim) in enumerate(_interleaved(), start=1):
        rate = {**RATES, **(rates or {})}[precision, optim] * (EVEN if precision == "fp32" else OTHER)[repeat - 1]
        axes = {"checkpoint": TINY, "precision": precision, "optim": optim}
        reasons = [BUSY] if optim == busy else []
        asked = _timing_cell({"max_steps": 100, "optim": optim}, precision, repeat)
        make.put(asked, axes, "ok", timing=_timing(rate, session, place, reasons))


def _interleaved() -> Iterator[tuple[int, str, str]]:
    for repeat in range(1, 6):
        arms = list(RATES)
        for precision, optim in arms if repeat % 2 else reversed(arms):
            yield repeat, precision, optim


def _timing_cell(recipe: Mapping[str, Any], precision: str, repeat: int) -> dict[str, Any]:
    own = {} if repeat == 1 else {"repeat": repeat}
    plan = {"warmup_steps": 2, "measured_steps": 5}
    return asked_of("embedded/paraphrase", TINY, recipe, precision=precision, timing=plan, **own)


def _timed(timing: Mapping[str, Any]) -> dict[str, Any]:
    return {"metrics": {}, "peak_memory_mib": {"process": 500.0 + timing["place"]}, "timing": dict(timing)}


def _timing(rate: float, session: str, place: int, reasons: list[str] | None = None) -> dict[str, Any]:
    seconds = 40 / rate
    shares = {"data": 0.02, "forward": 0.4, "backward": 0.5, "optimizer": 0.07, "other": 0.01}
    return {
        "session": session, "place": place, "clock": "host", "warmup_steps": 2, "steps": 5, "seconds": seconds,
        "samples": 40, "samples_per_second": rate, "median_samples_per_second": rate, "tokens": 2000,
        "tokens_per_second": 2000 / seconds, "real_tokens": 1500, "flops": 4e9,
        "step_ms": {"p5": 7900 / rate, "p50": 8000 / rate, "p95": 8200 / rate},
        "stages": {name: share * seconds for name, share in shares.items()},
        "noise": {"others_cores": 0.01, "steal": 0.0, "load": 0.5, "reasons": reasons or []},
    }  # fmt: skip


def _time(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='milliseconds')}Z"
