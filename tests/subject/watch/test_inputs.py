"""What a model receives, hashed: by hand, and of a real Trainer's batches."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
datasets = pytest.importorskip("datasets")

from harness.subject.process import merge_inputs  # noqa: E402
from harness.subject.watch import streams  # noqa: E402
from harness.subject.watch.inputs import Hashing, InputWatch, altered, tokenized  # noqa: E402

Train = Callable[..., SimpleNamespace]


@pytest.mark.parametrize("left", [False, True])
def test_padding_does_not_count_and_places_do(left: bool) -> None:
    hashes = Hashing({"input_ids": 9}, left)
    short = hashes.rows("input_ids", np.array([[5, 6, 7]]))
    padded = np.array([[9, 9, 5, 6, 7]] if left else [[5, 6, 7, 9, 9]])
    assert hashes.rows("input_ids", padded) == short
    others = ([[5, 7, 6]], [[5, 6, 8]], [[5, 6]], [[9, 5, 6, 7, 9]])
    assert all(hashes.rows("input_ids", np.array(other)) != short for other in others)
    ragged = hashes.ragged("input_ids", np.array([1, 5, 6, 7, 2, 3]), np.array([1, 3, 2]))
    assert (ragged[1], len(set(ragged.tolist()))) == (short[0], 3)


def test_every_kind_of_number_is_hashed() -> None:
    watch = InputWatch(Hashing())
    columns = {
        "whole": torch.arange(6).reshape(2, 3),
        "flags": torch.tensor([True, False]),
        "floats": torch.tensor([[0.5], [1.5]]),
        "halves": torch.tensor([[0.5], [1.5]], dtype=torch.bfloat16),
        "deep": torch.arange(8).reshape(2, 2, 2),
    }
    watch.see({**columns, "count": torch.tensor(3), "name": "x"})
    counts, rows = watch.rows()
    assert counts.tolist() == [2]
    assert sorted(rows) == sorted(columns)
    assert all(len(set(found.tolist())) == 2 for found in rows.values())


def test_a_trainers_batches_are_those_of_its_examples(train: Train, examples: Any, toy: type[Any]) -> None:
    run = train()
    trace, hashes = run.trace.trace(), Hashing()
    split = datasets.Dataset.from_dict(examples(22))
    assert sorted(name for name in trace if name.startswith("inputs.columns.")) == [
        "inputs.columns.input_ids",
        "inputs.columns.labels",
    ]
    assert trace["inputs.rows"].sum() == 44
    found = altered(trace, split, "idx", toy(0.0), hashes)
    assert {name: (one["rows"], one["of"], one["example"]) for name, one in found.items()} == {
        "input_ids": (0, 44, None),
        "labels": (0, 44, None),
    }
    due = tokenized(datasets.Dataset.from_dict(examples(6)), ["input_ids", "labels"], hashes)
    assert (trace["evaluation.columns.input_ids"] == due["input_ids"]).all()  # of the last of two evaluations


def test_a_collator_that_changes_an_example_is_found_with_step_and_example(
    train: Train, examples: Any, toy: type[Any]
) -> None:
    data = examples(22)
    run = train()
    data["input_ids"][5] = [*data["input_ids"][5][:2], 77]
    found = altered(run.trace.trace(), datasets.Dataset.from_dict(data), "idx", toy(0.0), Hashing())
    ids = run.trace.trace()["ids"].tolist()
    first = ids.index(105)
    assert found["input_ids"] == {"rows": 2, "of": 44, "example": 105, "step": first // 4}
    assert found["labels"]["rows"] == 0


def test_an_evaluation_draws_once_and_watching_it_draws_nothing(train: Train) -> None:
    run = train()
    assert run.trace.draws.most == 1
    watched, bare = train(), train(watched=False)
    for one, two in zip(watched.trainer.model.parameters(), bare.trainer.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_draws_are_counted() -> None:
    before = torch.get_rng_state()
    for count in range(3):
        assert streams.draws_since(before) == count
        torch.empty((), dtype=torch.int64).random_()
    torch.rand(1000)
    assert streams.draws_since(before) == streams.MOST_DRAWS + 1


def test_each_step_has_the_state_that_its_dropout_drew_from(train: Train) -> None:
    first, second = train(), train()
    states = first.trace.trace()["states"]
    assert len(states) == len(set(states.tolist())) == 12
    assert (states == second.trace.trace()["states"]).all()
    assert len(set(train(dropout=0.0, eval_strategy="no").trace.trace()["states"].tolist())) == 2  # one an epoch


def test_the_first_updates_of_a_warm_up_are_kept_until_one_has_a_rate(train: Train) -> None:
    run = train(lr_scheduler_type="linear", warmup_steps=4)
    series = run.trace.update.series()
    assert {name: array.shape[0] for name, array in series.items()} == dict.fromkeys(series, 2)
    assert (series["update_before"][0] == series["update_after"][0]).all()
    assert (series["update_before"][1] != series["update_after"][1]).any()
    assert sum(run.trace.update.tensors.values()) == series["update_after"].shape[1]
    assert train(learning_rate=0.0).trace.update.series() == {}


def part(ids: list[int], **columns: list[int]) -> dict[str, np.ndarray]:
    rows = {f"inputs.columns.{name}": np.array(values, np.uint64) << np.uint64(32) for name, values in columns.items()}
    return {"inputs.rows": np.array([2] * (len(ids) // 2), np.int32), **rows}


def test_ranks_rows_lie_as_their_ids_do() -> None:
    traces = [part([1, 2, 5, 6], labels=[1, 2, 5, 6]), part([3, 4, 7, 8], labels=[3, 4, 7, 8])]
    series = merge_inputs.series(traces, {"example_offsets": np.array([0, 4, 8])})
    assert series["inputs.labels"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    facts = merge_inputs.facts(traces, [None, {}], None)
    assert (sorted(facts["inputs"]), facts["segments"], facts["altered"]) == (["labels"], 0, None)


@pytest.mark.parametrize(("rows", "segments"), [([0, 0, 0, 0], 1), ([0, 1, 0, 0], 2)])
def test_segments_are_counted(rows: list[int], segments: int) -> None:
    assert merge_inputs.facts([part([1, 2, 3, 4], token_type_ids=rows)], [{}], None)["segments"] == segments


def test_rows_are_kept_in_whole_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_inputs, "ROWS_KEPT", 5)
    series = merge_inputs.series(
        [part([1, 2, 3, 4, 5, 6], labels=[1, 2, 3, 4, 5, 6])], {"example_offsets": [0, 2, 4, 6]}
    )
    assert series["inputs.labels"].tolist() == [1, 2, 3, 4]
