"""Accidents of records: old, future, edited, deleted, cut, replaced, foreign."""

from __future__ import annotations

import datetime
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.false_green.command import Place
from benchmarks.false_green.made import Made, maker

MONTHS_22: Final = datetime.timedelta(days=670)
YEAR: Final = datetime.timedelta(days=365)
DATES: Final = ("started", "finished")


def newest(place: Place, seed: int = 3, precision: str = "fp32") -> Path:
    """The folder of a cell's newest attempt."""
    found = [
        path.parent
        for path in place.results.glob("cells/*/*/*/*/record.json")
        if (asked := json.loads(path.read_text(encoding="utf-8"))["asked"])["seed"] == seed
        and asked["precision"] == precision
    ]
    return max(found, key=lambda folder: folder.name)


def edit(path: Path, change: Callable[[Any], None]) -> None:
    """Read a record, change it, write it as the harness does."""
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def edit_index(place: Place, of: Path, change: Callable[[Any], None]) -> None:
    """Change the line of the index that stands for an attempt's folder."""
    index = place.results / "index.jsonl"
    lines = []
    for line in index.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if (place.results / entry["path"]) == of:
            change(entry)
        lines.append(json.dumps(entry, separators=(",", ":")))
    index.write_text("\n".join(lines) + "\n", encoding="utf-8")


def reindex(place: Place) -> None:
    """As if it had always been so: no index tells of anything else."""
    (place.results / "index.jsonl").unlink()
    place.type(["store", "reindex", place.results.name])


def _moved(by: datetime.timedelta) -> Callable[[Any], None]:
    def change(record: Any) -> None:
        for name in DATES:
            if record.get(name):
                at = datetime.datetime.fromisoformat(record[name].replace("Z", "+00:00")) + by
                record[name] = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"

    return change


def _better(record: Any) -> None:
    record["measured"]["metrics"]["accuracy"] += 0.025


def _better_line(entry: Any) -> None:
    entry["metrics"]["accuracy"] += 0.025


@maker("old-store")
def old_store(place: Place) -> Made:
    for path in place.results.glob("cells/*/*/*/*/record.json"):
        edit(path, _moved(-MONTHS_22))
    reindex(place)
    return Made({"check": ["--max-age", "20h"]})


@maker("future-records")
def future_records(place: Place) -> Made:
    edit(newest(place) / "record.json", _moved(YEAR))
    reindex(place)
    return Made()


@maker("edited-accuracy")
def edited_accuracy(place: Place) -> Made:
    edit(newest(place) / "record.json", _better)
    return Made()


@maker("edited-index")
def edited_index(place: Place) -> Made:
    edit_index(place, newest(place), _better_line)
    return Made()


@maker("edited-both")
def edited_both(place: Place) -> Made:
    def record(found: Any) -> None:
        _better(found)
        found["measured"]["metrics"]["f1"] += 0.02

    def line(entry: Any) -> None:
        _better_line(entry)
        entry["metrics"]["f1"] += 0.02

    folder = newest(place)
    edit(folder / "record.json", record)
    edit_index(place, folder, line)
    return Made()


@maker("edited-confusion")
def edited_confusion(place: Place) -> Made:
    def change(record: Any) -> None:
        measured = record["measured"]
        rows = measured["confusion"]["counts"]
        counts = dict(zip(("tn", "fp", "fn", "tp"), [*rows[0], *rows[1]], strict=True))
        counts["tn"], counts["fp"] = counts["tn"] + 5, counts["fp"] - 5
        scores = {
            "accuracy": (counts["tp"] + counts["tn"]) / sum(counts.values()),
            "f1": 2 * counts["tp"] / (2 * counts["tp"] + counts["fp"] + counts["fn"]),
        }
        measured["metrics"] |= scores
        measured["epochs"][-1]["metrics"] |= scores

    edit(newest(place) / "record.json", change)
    reindex(place)
    return Made()


@maker("deleted-record")
def deleted_record(place: Place) -> Made:
    (newest(place) / "record.json").unlink()
    return Made()


@maker("deleted-cell")
def deleted_cell(place: Place) -> Made:
    shutil.rmtree(newest(place).parents[1])
    return Made()


@maker("truncated-record")
def truncated_record(place: Place) -> Made:
    path = newest(place) / "record.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return Made()


@maker("replaced-series")
def replaced_series(place: Place) -> Made:
    shutil.copyfile(newest(place, 4) / "series.npz", newest(place) / "series.npz")
    return Made()


@maker("foreign-record")
def foreign_record(place: Place) -> Made:
    other = next((place.folder / "results" / "other").glob("cells/*/*/*/*/record.json"))
    shutil.copyfile(other, newest(place) / "record.json")
    return Made()


@maker("one-bit")
def one_bit(place: Place) -> Made:
    path = newest(place) / "record.json"
    text = path.read_text(encoding="utf-8")
    found = re.search(r'"train_loss":\s*0\.\d(\d)', text)
    assert found is not None
    flipped = chr(ord(found[1]) ^ 1)
    path.write_text(text[: found.start(1)] + flipped + text[found.end(1) :], encoding="utf-8")
    return Made()


@maker("one-seed-answers-a-constant")
def one_seed_answers_a_constant(place: Place) -> Made:
    """A record as a collapsed run leaves it, its series with it, as if it had always been so."""
    import hashlib

    import numpy as np

    folder = newest(place)
    with np.load(folder / "series.npz") as found:
        series = {name: found[name] for name in found.files}
    series["logits"] = np.tile(np.array([[-0.4, 0.4]], dtype=series["logits"].dtype), (len(series["logits"]), 1))
    np.savez_compressed(folder / "series.npz", **series)

    def change(record: Any) -> None:
        record["status"] = "collapsed"
        zeros, ones = map(sum, record["measured"]["confusion"]["counts"])
        record["measured"]["confusion"] = {"counts": [[0, zeros], [0, ones]]}
        scores = {"accuracy": ones / (ones + zeros), "f1": 2 * ones / (2 * ones + zeros)}
        record["measured"]["metrics"] |= scores
        record["measured"]["epochs"][-1]["metrics"] |= scores
        record["series_sha256"] = hashlib.sha256((folder / "series.npz").read_bytes()).hexdigest()

    edit(folder / "record.json", change)
    reindex(place)
    return Made()
