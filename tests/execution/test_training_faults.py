"""Faults of training, planted in the libraries under a real run: each found by name, none where nothing is planted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # against hangs: minutes on a busy machine
CLEAN = (90, 91)
FAULTS: dict[str, tuple[str, str]] = {
    # fault -> (check, item) that must find it
    "wrong-order": ("engine", "examples of each step"),
    "unseeded-head": ("reproducibility", "initial weights"),
    "doubled-gradient": ("engine", "gradient norm"),
    "extra-step": ("fidelity", "optimizer steps"),
    "shifted-rate": ("fidelity", "learning rate"),
    "eager-attention": ("fidelity", "attention"),
    "unfused-optimizer": ("fidelity", "optimizer"),
    "dropped-example": ("fidelity", "logits"),
    "lost-tensor": ("fidelity", "weights as saved"),
    "no-clipping": ("fidelity", "clipping"),
    "no-dropout": ("fidelity", "dropout"),
    "no-bias-correction": ("fidelity", "first update"),
    "training-evaluation": ("fidelity", "evaluation repeated"),
    "other-precision": ("fidelity", "run"),
}
SEEDS = {fault: seed for seed, fault in enumerate(FAULTS, 1)}


@pytest.fixture(scope="module")
def verdicts(lasting_house: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """The verdicts of one `harness verify` over a seed for each fault and two clean ones, by seed."""
    house = lasting_house
    plain = [seed for fault, seed in SEEDS.items() if fault != "other-precision"]
    # The precision asked for must be another than fp32, or training in fp32 would be no fault.
    include = (
        f'include = [{{ checkpoint = "embedded/tiny-bert", seed = {SEEDS["other-precision"]}, precision = "bf16" }}]'
    )
    house.grid([*plain, *CLEAN], max_steps=8, more=include, recipe="per_device_train_batch_size = 32")
    out = tmp_path_factory.mktemp("verdicts") / "found.md"
    arguments = ["--all-seeds", "--only", "repeat", "--only", "engine", "-o", str(out)]
    faults = {seed: fault for fault, seed in SEEDS.items()}
    code, output = house.run(*arguments, faults=faults, command="verify", timeout=1400)
    assert code == 1, output
    found: dict[int, list[dict[str, Any]]] = {}
    for verdict in json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["verdicts"]:
        sides = [verdict[side] for side in ("subject", "against") if verdict[side]]
        (seed,) = {int(side["label"].rpartition("seed ")[2]) for side in sides}
        found.setdefault(seed, []).append(verdict)
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_by_name(verdicts: dict[int, list[dict[str, Any]]], fault: str) -> None:
    check, item = FAULTS[fault]
    failing = {
        (verdict["item"] or verdict["check"], finding["item"])
        for verdict in verdicts[SEEDS[fault]]
        for finding in verdict["findings"]
        if finding["outcome"] in ("FAIL", "ERROR")
    }
    assert (check, item) in failing


def test_a_ratio_is_the_trainers_over_the_plain_loops(verdicts: dict[int, list[dict[str, Any]]]) -> None:
    found = [
        (finding["step"], finding["ratio"])
        for verdict in verdicts[SEEDS["doubled-gradient"]]
        for finding in verdict["findings"]
        if finding["outcome"] == "FAIL"
    ]
    assert found == [(0, pytest.approx(2.0, rel=1e-5))] * 2


@pytest.mark.parametrize("seed", CLEAN)
def test_nothing_is_found_where_nothing_is_planted(verdicts: dict[int, list[dict[str, Any]]], seed: int) -> None:
    assert {verdict["outcome"] for verdict in verdicts[seed]} == {"PASS"}
    assert {verdict["item"] or verdict["check"] for verdict in verdicts[seed]} == {
        "fidelity",
        "reproducibility",
        "engine",
    }


def test_a_run_that_scores_another_model_than_the_best_is_told(house: Any) -> None:
    """The first evaluation has the largest loss, and is asked for; in seed 1 the last model is scored."""
    asked = (
        'load_best_model_at_end = true\neval_strategy = "steps"\neval_steps = 4\nsave_strategy = "steps"\n'
        'save_steps = 4\nmetric_for_best_model = "loss"\ngreater_is_better = true\nlearning_rate = 1e-4'
    )
    house.grid([1, 2], max_steps=12, recipe=asked)
    code, output = house.run(faults={1: "last-model"})
    assert code == 0, output
    (one,), (two,) = house.records(seed=1), house.records(seed=2)
    losses = [epoch.metrics["loss"] for epoch in one.measured.epochs]
    assert losses == sorted(losses, reverse=True)
    assert (one.measured.metrics["loss"], two.measured.metrics["loss"]) == (
        pytest.approx(losses[-1]),
        pytest.approx(two.measured.epochs[0].metrics["loss"]),
    )
    told = [line for line in output.splitlines() if line.startswith("warning: ")]
    assert len(told) == 1
    assert "seed 1: scored is epoch 0.12 (loss " in told[0]
    assert "asked for is epoch 0.04, of the highest loss (" in told[0]
    _, report = house.run("-o", "report.md", command="report")
    line = "1 of 2 runs (seed 1) scored another model than the best one that load_best_model_at_end asks for"
    assert line in report
    assert line in " ".join(house.run(command="check")[1].split())


def verified(house: Any, *arguments: str, **options: Any) -> list[dict[str, Any]]:
    """The verdicts of one `harness verify`."""
    out = house.folder / "found.md"
    house.run("-o", str(out), *arguments, command="verify", timeout=1400, **options)
    return list(json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["verdicts"])


def failing(verdicts: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Items that fail, by the verdict's subject."""
    return {
        verdict["subject"]["label"]: [one["item"] for one in verdict["findings"] if one["outcome"] == "FAIL"]
        for verdict in verdicts
        if verdict["outcome"] == "FAIL"
    }


def test_activation_checkpointing_that_draws_anew_is_named(house: Any) -> None:
    house.grid([1, 2], max_steps=8, recipe="per_device_train_batch_size = 32")
    arguments = ("--all-seeds", "--only", "checkpointing")
    found = verified(house, *arguments, faults={1: "forgotten-state"})
    pairs = [verdict for verdict in found if verdict["item"] == "checkpointing"]
    assert sorted(verdict["outcome"] for verdict in pairs) == ["FAIL", "PASS"]
    ((label, items),) = failing(found).items()
    assert "seed 1" in label
    assert items


def test_weights_saved_in_bfloat16_are_told_by_name(house: Any) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    house.grid([1])
    assert house.run()[0] == 0
    (tiny,) = house.cache.glob("tiny-bert-*")
    folder = Path(shutil.copytree(tiny, house.folder / "half", ignore=shutil.ignore_patterns("harness.sha256")))
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name).bfloat16() for name in file.keys()}  # noqa: SIM118 - no dict
        metadata = file.metadata()
    save_file(tensors, folder / "model.safetensors", metadata=metadata)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    grid = house.folder / "g.toml"
    text = grid.read_text().replace('["embedded/tiny-bert"]', '["./half"]')
    grid.write_text(text.replace("max_steps = 3", "max_steps = 4") + 'precision = ["bf16", "fp32"]\n')
    found = verified(house, "--only", "repeat")
    said = failing(found)
    assert len(said) == 2
    assert all("bf16" in label for label in said)
    assert all(items == ["dtype of weights"] for items in said.values())
    facts = [one["fact"]["values"] for verdict in found for one in verdict["findings"] if one["outcome"] == "FAIL"]
    assert facts == [{"dtype": "bfloat16", "saved": "bfloat16", "kept": True}] * 2
    (error,) = {
        verdict["reason"]["values"]["why"]["values"]["message"]
        for verdict in found
        if verdict["check"] == "fidelity" and verdict["outcome"] == "ERROR"
    }
    assert error.startswith("precision: asked for fp32, observed bf16")
    assert error.endswith("the model's weights are bfloat16: saved so, they are kept so since transformers 5.0")
