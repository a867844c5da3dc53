from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.grid.cell import Cell
from harness.record.attempts import ERRORED, FINAL, LOST, OUTCOMES, RETRIED, STATUSES, Entry, parse_entry
from harness.record.entry import attempt_path
from harness.record.model import (
    MAX_BYTES,
    NAMES_KEPT,
    SCHEMA,
    Record,
    asked_of,
    fitted,
    parse_record,
    read_record,
    record_schema,
)
from harness.record.provenance import command_line, provenance

OLD = sorted((Path(__file__).parents[1] / "data" / "records").glob("v*/*.json"))
BY_NAME = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in OLD}
VALIDATOR = jsonschema.Draft202012Validator(json.loads(record_schema()))

NASTY = ['"\\\n\t\x00', "ä", "漢", "🙂", "plain "]
finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
json_values = st.none() | st.booleans() | st.integers() | finite | names


def record_of(name: str = "collapsed", **changes: Any) -> Record:
    """A real record with parts replaced: `measured__epochs=...` reaches inwards."""
    data = deepcopy(BY_NAME[name])
    for path, value in changes.items():
        *way, last = path.split("__")
        place = data
        for step in way:
            place = place[step]
        place[last] = value
    return parse_record(data, "made up")


def migrated(written: dict[str, Any]) -> dict[str, Any]:
    """What was written, where today's form has it: the same numbers, by any class's and any metric's name."""
    data = deepcopy(written)
    for split in ("train", "validation") if data["observed"] and data["observed"]["data"] else ():
        facts = data["observed"]["data"][split]
        positives = facts.pop("positives")
        facts["labels"] = [facts["examples"] - positives, positives]
    if measured := data["measured"]:
        tp, fp, fn, tn = (measured["confusion"][name] for name in ("tp", "fp", "fn", "tn"))
        measured["confusion"] = {"counts": [[tn, fp], [fn, tp]]}
        for one in measured["epochs"]:
            one["metrics"] = {name: one.pop(name) for name in ("accuracy", "f1", "loss")}
    return data


def size(record: Record) -> int:
    return len(record.to_json().encode())


# Old records.


@pytest.mark.parametrize("path", OLD, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_old_records_stay_readable_and_satisfy_the_schema(path: Path) -> None:
    record = read_record(path)
    written = migrated(BY_NAME[path.stem])
    VALIDATOR.validate(written)
    assert record.status == path.stem.partition("-")[0]
    assert record.cell_id == written["cell_id"]
    now = json.loads(record.to_json())
    assert (now.pop("schema"), now["measurement"]) == (SCHEMA, 1)
    assert keeps(now, {name: value for name, value in written.items() if name != "schema"})
    path = attempt_path(record.cell_id, record.environment_id, record.attempt)
    assert parse_entry(record.entry(path).to_line()) == record.entry(path)


def test_there_is_an_old_record_of_each_kind() -> None:
    assert {"ok", "collapsed", "failed", "skipped", "killed"} <= {path.stem for path in OLD if path.parent.name == "v1"}


def keeps(now: Any, before: Any) -> bool:
    """Whether all that was written is still there; fields that came later may stand beside it."""
    if isinstance(before, dict):
        return all(key in now and keeps(now[key], value) for key, value in before.items())
    return bool(now == before)


def test_an_ok_record_tells_what_was_measured() -> None:
    record = record_of("ok")
    assert record.measured is not None
    assert record.measured.confusion is not None
    counts = record.measured.confusion.named
    total = sum(counts.values())
    assert record.measured.metrics["accuracy"] == (counts["tp"] + counts["tn"]) / total
    assert record.series["logits"] == [total, 2]
    rate = record.measured.train_samples_per_second
    assert rate == pytest.approx(record.measured.train_samples / record.measured.seconds["train"], rel=1e-6)
    entry = record.entry("cells/x")
    assert (entry.metrics, entry.error, entry.steps) == (record.measured.metrics, None, record.series["loss"][0])


def test_a_failed_record_says_why_in_its_entry() -> None:
    record = record_of("failed")
    assert record.failure is not None
    assert record.entry("x").error == f"{record.failure.type}: {record.failure.message}"
    assert record.entry("x").metrics == {}


def test_statuses() -> None:
    assert set(STATUSES) >= FINAL | ERRORED
    assert {status for status in STATUSES if record_of(status=status).final} == OUTCOMES
    assert set(STATUSES) == OUTCOMES | RETRIED | {"killed", "interrupted", "skipped"}
    assert (FINAL, LOST < OUTCOMES) == (OUTCOMES | RETRIED, True)


# Numbers that JSON lacks.


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_survives(value: float) -> None:
    record = record_of(
        measured__metrics__loss=value,
        measured__train_loss=value,
        measured__train_samples_per_second=value,
        measured__epochs=[{"epoch": 1.0, "step": 4, "loss": value}],
        observed__arguments__x=value,
        status="nonfinite",
    )
    text = record.to_json()
    data = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    VALIDATOR.validate(data)
    assert data["observed"]["arguments"]["x"] is not None
    again = parse_record(data, "x")
    assert again.to_json() == text
    assert again.measured is not None
    for got in (
        again.measured.metrics["loss"],
        again.measured.train_loss,
        again.measured.train_samples_per_second,
        again.measured.epochs[0].metrics["loss"],
    ):
        assert got is not None
        assert got == value or (math.isnan(got) and math.isnan(value))
    line = again.entry(attempt_path(again.cell_id, again.environment_id, again.attempt)).to_line()
    assert repr(parse_entry(line).metrics["loss"]) == repr(value)


def test_a_repository_runs_no_program_of_its_own(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "x.sh"
    program.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    program.chmod(0o755)
    for name, setting, value in (
        ("fsmonitor", "core.fsmonitor", str(program)),
        ("filter", "filter.f.clean", str(program)),
    ):
        folder = tmp_path / name
        folder.mkdir()
        git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
        (folder / "a").write_text("a")
        for arguments in (["init", "-q"], ["add", "a"], ["commit", "-q", "-m", "m"], ["config", setting, value]):
            subprocess.run([*git, *arguments], check=True, capture_output=True)
        (folder / ".gitattributes").write_text("a filter=f\n")
        (folder / "a").write_text("b")
        found = provenance(folder)
        assert not ran.exists(), name
        assert found.git_sha is not None
        assert found.git_dirty is (True if name == "fsmonitor" else None)


def test_a_command_with_a_name_that_is_no_text_can_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/harness", "run", "grid\udcff.toml"])
    record = record_of(provenance={"harness": "0", "command": command_line()})
    assert "grid\\\\udcff.toml" in record.to_json()


# Size.


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("length", [100, 20_000, 200_000])
def test_a_huge_traceback_is_shortened_from_its_front(text: str, length: int) -> None:
    details = text * (length // len(text)) + "THE END"
    record = record_of("failed", failure__details=details)
    assert size(record) <= MAX_BYTES
    again = parse_record(json.loads(record.to_json()), "x")
    assert again.failure is not None
    assert again.failure.details.endswith("THE END")
    if length == 100:
        assert again.failure.details == details
    else:
        assert again.failure.details.startswith("… ")
        assert size(record) > MAX_BYTES - 16  # no more is cut than must be


def test_long_lists_of_weights_are_counted() -> None:
    unused = [f"encoder.layer.{n}.attention.self.query.weight" for n in range(2000)]
    record = record_of(observed__weights__unused=unused, observed__weights__newly_initialised=unused)
    assert size(record) <= MAX_BYTES
    again = parse_record(json.loads(record.to_json()), "x")
    assert again.observed is not None
    assert again.observed.weights is not None
    assert again.observed.weights.unused == [*unused[:NAMES_KEPT], f"… and {2000 - NAMES_KEPT} more"]


def test_of_a_thousand_epochs_the_last_are_kept() -> None:
    epochs = [{"epoch": n + 1.0, "step": 4 * n, "accuracy": 1 / 3, "f1": 2 / 3, "loss": 0.7} for n in range(1000)]
    record = record_of(measured__epochs=epochs)
    assert MAX_BYTES * 0.9 < size(record) <= MAX_BYTES
    again = parse_record(json.loads(record.to_json()), "x")
    assert again.measured is not None
    kept = [epoch.epoch for epoch in again.measured.epochs]
    assert kept == [n + 1.0 for n in range(1000 - len(kept), 1000)]
    assert len(kept) > 20
    assert again.measured.metrics == record.measured.metrics  # type: ignore[union-attr]


def test_a_recipe_that_is_too_long_by_itself_is_kept_whole() -> None:
    recipe = {f"option_{n}": "x" * 100 for n in range(300)}
    assert parse_record(json.loads(record_of(asked__recipe=recipe).to_json()), "x").asked.recipe == recipe


@given(texts, st.integers(150, 800))
def test_details_keep_as_much_of_their_end_as_there_is_room_for(details: str, limit: int) -> None:
    whole = json.dumps({"failure": {"type": "E", "details": details}}, ensure_ascii=False, indent=1)
    text = fitted(whole, limit)
    kept = json.loads(text)["failure"]["details"]
    assert len(text.encode()) <= limit
    if kept != details:
        assert kept == "" or details.endswith(kept.removeprefix("… "))
        assert len(text.encode()) > limit - 16


@given(st.dictionaries(texts, texts, max_size=5), st.integers(0, 50))
def test_what_cannot_be_shortened_is_kept(data: dict[str, str], limit: int) -> None:
    data.pop("failure", None)
    for key in ("observed", "measured"):
        data.pop(key, None)
    assert json.loads(fitted(json.dumps(data), limit)) == data


def test_what_fits_is_untouched() -> None:
    assert fitted('{"a":  1}', 9) == '{"a":  1}'
    assert fitted('{"a":  1}', 8) == '{"a":1}\n'


# Errors.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 5}, "schema: 5 was written by a newer harness (allowed: 1 to 4)"),
        ({"schema": 0}, "schema: 0 is not a record's schema"),
        ({"schema": True}, "schema: True is not"),
        ({"schema": "1"}, "schema: '1' is not"),
        ({"status": "fine"}, "status: Input should be 'ok'"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted (got 1)"),
        ({"asked": {"task": 3}}, "asked.task: "),
        ({"attempt": None}, "attempt: "),
    ],
)
def test_what_is_no_record_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StoreError) as caught:
        parse_record({**BY_NAME["ok"], **change}, "some/record.json")
    assert str(caught.value).startswith("some/record.json: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "x", 3, {}])
def test_what_is_no_object_is_no_record(data: Any) -> None:
    with pytest.raises(StoreError, match="x: schema: None is not"):
        parse_record(data, "x")


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1}'])
def test_missing_and_unreadable_files_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "record.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=r"record\.json"):
        read_record(path)


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    for change in ({"status": "fine"}, {"surprise": 1}, {"attempt": None}):
        assert not VALIDATOR.is_valid({**BY_NAME["ok"], **change})


def test_asked_of_a_cell_gives_the_cell_back(cell_of: Callable[..., Cell]) -> None:
    cell = cell_of(axes={"seed": 42}, recipe_defaults="4.45.2")
    asked = json.loads(asked_of(cell).model_dump_json())
    assert asked.pop("axes") == {"seed": 42}
    assert asked["checkpoint"].pop("name") == cell.checkpoint.name
    assert asked == cell.asked()


# Entries.

ids = st.text("0123456789abcdef", min_size=4, max_size=20)
entries = st.builds(
    Entry,
    cell_id=ids,
    environment_id=ids,
    attempt=st.integers(1, 999),
    measurement=st.integers(1, 999),
    status=st.sampled_from(STATUSES),
    started=st.datetimes(datetime(2000, 1, 1)).map(lambda at: f"{at.isoformat(timespec='milliseconds')}Z"),
    axes=st.dictionaries(names, json_values, max_size=4),
    metrics=st.dictionaries(names, st.floats(), max_size=4),
    seconds=st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    error=st.none() | st.text(st.characters(), max_size=40),
).map(lambda entry: replace(entry, path=attempt_path(entry.cell_id, entry.environment_id, entry.attempt)))
"""Any entry at all; what JSON carries badly is drawn on purpose."""


@given(entries)
def test_entries_round_trip(entry: Entry) -> None:
    line = entry.to_line()
    assert line.isascii()
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert repr(parse_entry(line)) == repr(entry)


@given(entries, st.data())
def test_a_torn_line_is_no_entry(entry: Entry, data: st.DataObject) -> None:
    line = entry.to_line().rstrip("\n")
    with pytest.raises(StoreError, match="not an index entry"):
        parse_entry(line[: data.draw(st.integers(0, len(line) - 1))])


@pytest.mark.parametrize("line", ["", "null", "[]", "{}", '"x"', '{"cell_id": 1}', "[" * 100])
def test_other_json_is_no_entry(line: str) -> None:
    with pytest.raises(StoreError, match="not an index entry"):
        parse_entry(line)
