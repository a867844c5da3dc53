"""References that cannot well all be true are found, whatever else is wrong with them, and nothing else is."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest

from harness.references import Registry, contradictions, find, load, registry


def test_the_contradictions_of_the_registry() -> None:
    found = {(each.kind, each.metric, each.first, each.second) for each in contradictions()}
    distil = ("card-abhinav-kumar-thakur", "card-vicl", "card-anirudh21", "card-satyamverma")
    assert found == {
        *(("outside", metric, "card-dzrex", "replication-course-uncased") for metric in ("accuracy", "f1")),
        *(("apart", metric, name, "card-shokiokita") for name in distil for metric in ("accuracy", "f1")),
        ("apart", "accuracy", "nvidia-pt-10seeds", "nvidia-pt-100seeds"),
        ("apart", "accuracy", "nvidia-pt-tf32", "nvidia-pt-100seeds"),
        ("best", "accuracy", "nvidia-tf-best-fp16", "nvidia-tf-10seeds-fp16"),
    }


def test_what_is_known_of_a_contradiction_is_said_with_it() -> None:
    by_first = {each.first: each for each in contradictions() if each.metric == "accuracy"}
    assert by_first["card-dzrex"].known.startswith("card-dzrex: its epochs 2 and 3 are identical")
    assert by_first["card-vicl"].known.startswith("card-shokiokita: 23 steps an epoch")
    assert by_first["nvidia-pt-10seeds"].known is None
    assert by_first["nvidia-tf-best-fp16"].difference == pytest.approx(0.8709 - 0.8700980544)


def test_ten_seeds_against_a_hundred() -> None:
    found = next(each for each in contradictions() if each.first == "nvidia-pt-10seeds")
    values = find("nvidia-pt-10seeds").metrics["accuracy"].every
    assert found.difference == pytest.approx(statistics.fmean(values) - 0.8256)
    assert found.limit == pytest.approx(3 * math.sqrt(statistics.variance(values) / 10 + 0.0601**2 / 100))
    assert "0.8600 (mean of 10 runs) and nvidia-pt-100seeds 0.8256 (mean of 100 runs) differ by 0.0344" in found.text


def test_the_course_contradicts_nothing() -> None:
    assert not [each for each in contradictions() if "hf-course-ch3" in (each.first, each.second)]


def entry(name: str, value: str, *, runs: int = 1, more: str = "", rate: float = 5e-5) -> str:
    metric = f"values = [{value}]" if runs > 1 else f"value = {value}"
    return f"""
[[reference]]
id = "{name}"
kind = "card"
checkpoint = "bert-base-uncased"
split = "validation"
statistic = "{"sample" if runs > 1 else "single"}"
n = {runs}
recipe = {{ learning_rate = {rate}, per_device_train_batch_size = 8, num_train_epochs = 3 }}
source = "https://example.org"
metrics.accuracy = {{ {metric}, decimals = 4 }}
{more}
"""


def made(folder: Path, *entries: str) -> Registry:
    path = folder / "mine.toml"
    path.write_text("schema = 1\n" + "".join(entries), encoding="utf-8")
    return load(path)


TWENTY = ", ".join(f"{0.85 + 0.001 * k:.4f}" for k in range(-10, 10))
FIVE = "0.8400, 0.8500, 0.8600, 0.8550, 0.8450"
SD = statistics.stdev([0.84, 0.85, 0.86, 0.855, 0.845])


def test_a_value_outside_the_range_of_many_runs(tmp_path: Path) -> None:
    for value, expected in (("0.8399", -0.0001), ("0.8400", None), ("0.8590", None), ("0.8591", 0.0001)):
        own = made(tmp_path, entry("many", TWENTY, runs=20), entry("one", value))
        found = contradictions(own)
        assert [each.kind for each in found] == ([] if expected is None else ["outside"])
        if expected is not None:
            assert found[0].difference == pytest.approx(expected)
            assert found[0].first == "one"


def test_two_values_apart_by_more_than_three_standard_errors(tmp_path: Path) -> None:
    # The range of five runs is no bound: their sd is.
    limit = 3 * math.sqrt(SD**2 / 5 + SD**2)
    for value, kinds in ((0.85 + limit - 1e-4, []), (0.85 + limit + 1e-4, ["apart"])):
        own = made(tmp_path, entry("few", FIVE, runs=5), entry("one", f"{value:.6f}"))
        assert [each.kind for each in contradictions(own)] == kinds
    limit = 3 * math.sqrt(2) * SD
    for value, pairs in ((0.85 + limit - 1e-4, 0), (0.85 + limit + 1e-4, 1)):
        entries = (entry("a", "0.85"), entry("b", f"{value:.6f}"), entry("far", FIVE, runs=5, rate=1e-5))
        found = contradictions(made(tmp_path, *entries))
        assert len(found) == pairs  # the sd is that of the checkpoint's other recipe
        assert all((each.first, each.second) == ("a", "b") for each in found)


def test_without_any_sample_nothing_is_called_a_contradiction(tmp_path: Path) -> None:
    assert contradictions(made(tmp_path, entry("a", "0.60"), entry("b", "0.90"))) == []


def test_other_recipes_splits_and_checkpoints_do_not_contradict(tmp_path: Path) -> None:
    few, far = entry("few", FIVE, runs=5), entry("one", "0.60")
    assert len(contradictions(made(tmp_path, few, far))) == 1
    for changed in (
        far.replace("5e-05", "2e-05"),
        far.replace("batch_size = 8", "batch_size = 16"),
        far.replace(", num_train_epochs = 3", ""),
        far.replace("validation", "test"),
        far.replace("bert-base-uncased", "bert-base-cased"),
        far.replace("metrics.accuracy", "metrics.f1"),
    ):
        assert changed != far
        assert contradictions(made(tmp_path, few, changed)) == []
    # The same checkpoint under its name of today, the same batch over two devices.
    for changed in (
        far.replace("bert-base-uncased", "google-bert/bert-base-uncased"),
        far.replace("batch_size = 8", "batch_size = 4").replace("n = 1", "n = 1\ndevices = 2"),
    ):
        assert len(contradictions(made(tmp_path, few, changed))) == 1


def test_an_unusable_reference_is_shown_and_lends_no_sd(tmp_path: Path) -> None:
    wide = entry("wide", "0.30, 0.90, 0.50, 0.70, 0.60", runs=5, more="[reference.setup]\nx = 1", rate=1e-5)
    broken = entry("broken", "0.60").replace("n = 1", 'n = 1\nunusable = "broken"')
    found = contradictions(made(tmp_path, entry("few", FIVE, runs=5), broken))
    assert [each.known.rpartition("; ")[2] for each in found] == ["broken: broken"]
    few = entry("few", FIVE, runs=5, rate=2e-5)
    narrow = made(
        tmp_path, few, wide.replace("n = 5", 'n = 5\nunusable = "no"'), entry("a", "0.85"), entry("b", "0.95")
    )
    assert len(contradictions(narrow)) == 1
    assert contradictions(made(tmp_path, few, wide, entry("a", "0.85"), entry("b", "0.95"))) == []


def test_the_package_registry_is_the_default() -> None:
    assert contradictions() == contradictions(registry())
