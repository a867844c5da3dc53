"""The registry's numbers against the collection they were taken from, and how it is read and searched."""

from __future__ import annotations

import json
import statistics
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.errors import SpecError
from harness.grid.arguments import check_recipe
from harness.references import Reference, Registry, find, load, registry
from harness.references.recipe import same_recipe, same_settings, settings, today

COLLECTION = Path(__file__).parents[1] / "data" / "references.json"
"""What the registry was taken from: the collection's own names, figures and facts, a reference a line."""

LEFT_OUT = {
    # A bar, no result of a run.
    "accelerate-ci:0.82",
    # No value of MRPC is given.
    *("habana:recipe", "hf-issue11443", "dodge2020:design", "mosbach2021:facts", "stilts"),
    # The same run as log:44010777847-run1.
    "published-predictions:44010777847",
}
UNVERIFIED = {"dodge2020:best", "mosbach2021:table1", "zhang2021:table1", "multiberts"}

# The collection's names, whether they are percentages, and ours.
PLAIN = {
    "accuracy": "accuracy",
    "f1": "f1",
    "eval_loss": "eval_loss",
    "train_loss_mean": "train_loss",
    "train_loss_logged_step500": "train_loss_step_500",
    "train_runtime_s": "train_seconds",
    "train_runtime_s_run2": "train_seconds",
    "train_time_s": "train_seconds",
    "time_second_epoch_s": "second_epoch_seconds",
    "train_samples_per_second": "train_samples_per_second",
    "train_samples_per_second_run2": "train_samples_per_second",
    "samples_per_second_derived": "train_samples_per_second",
    "seq_per_s_derived": "train_samples_per_second",
    "val_accuracy_runs": "accuracy",
    "values": "accuracy",
}
PERCENT = {
    "accuracy_percent": "accuracy",
    "accuracy_percent_per_seed": "accuracy",
    "accuracy_mean": "accuracy",
    "f1_percent": "f1",
    "mrpc_percent": "unnamed",
}
PAIRS = {"f1_accuracy_percent": ("f1", "accuracy"), "acc_f1_percent": ("accuracy", "f1")}
PARTS = {
    ("nvidia-tf:max", "tf32_max"): {"accuracy": ("tf32_max", 100), "train_samples_per_second": ("throughput_tf32", 1)},
    ("nvidia-tf:max", "amp_max"): {"accuracy": ("amp_max", 100), "train_samples_per_second": ("throughput_amp", 1)},
    ("mobilebert", "f1_percent"): {"f1": ("f1_percent", 100)},
    ("mobilebert", "tiny"): {"f1": ("tiny", 100)},
    ("nvidia-pt:100seeds", "mean"): {"accuracy": ("mean", 100)},
    ("nvidia-pt:100seeds", "max"): {"accuracy": ("max", 100)},
}
# The Trainer of that time printed steps a second under that name.
DROPPED = {("log:19271361488-cased", "train_samples_per_second")}


@pytest.fixture(scope="module")
def collection() -> dict[str, Any]:
    items = json.loads(COLLECTION.read_text(), parse_float=Decimal)
    return {item["id"]: item for item in items}


def exact(value: float) -> Decimal:
    return Decimal(repr(value))


def expected(item: dict[str, Any], part: str | None) -> dict[str, list[Decimal]]:
    metrics = item["metrics"]
    if item["id"] == "nvidia-pt:squad-throughput":
        return {"train_samples_per_second": [Decimal(metrics[part])]}
    if part == "fp32":
        return {name: [metrics[part][name]] for name in ("accuracy", "f1")}
    if part is not None:
        return {ours: [Decimal(metrics[key]) / by] for ours, (key, by) in PARTS[item["id"], part].items()}
    found: dict[str, list[Decimal]] = {}
    for key, value in metrics.items():
        if (item["id"], key) in DROPPED:
            continue
        every = value if isinstance(value, list) else [value]
        if key in PLAIN:
            found[PLAIN[key]] = [Decimal(each) for each in every]
        elif key in PERCENT:
            found[PERCENT[key]] = [Decimal(each) / 100 for each in every]
        elif key in PAIRS:
            printed = dict(zip(PAIRS[key], value.split("/"), strict=True))
            found.update({name: [Decimal(text) / 100] for name, text in printed.items() if text != "-"})
    return found


def taken() -> list[Reference]:
    return [reference for reference in registry().references if reference.item is not None]


def test_every_verified_item_is_in_the_registry_and_no_other(collection: dict[str, Any]) -> None:
    items = {reference.item for reference in taken()}
    assert {name for name, item in collection.items() if not item.get("verified", True)} == UNVERIFIED
    assert set(collection) - items == LEFT_OUT | UNVERIFIED
    assert len(items) == 160


@pytest.mark.parametrize("name", [reference.id for reference in taken()])
def test_no_digit_differs_from_the_collection(name: str, collection: dict[str, Any]) -> None:
    reference = find(name)
    item = collection[reference.item]
    ours = {metric: [exact(value) for value in published.every] for metric, published in reference.metrics.items()}
    assert ours == expected(item, reference.part)


@pytest.mark.parametrize("name", [reference.id for reference in taken()])
def test_circumstances_are_those_of_the_collection(name: str, collection: dict[str, Any]) -> None:
    reference = find(name)
    item = collection[reference.item]
    asked = item.get("recipe", {})
    assert (reference.task == "glue/mrpc") == ("task" not in item)
    if reference.task == "glue/mrpc" and name != "mobilebert-tiny":
        names = {reference.printed_checkpoint, reference.checkpoint, reference.checkpoint.rpartition("/")[2]}
        assert item["checkpoint"] in names
    assert reference.split == item["split"]
    by_hand = item.get("by_hand", False)
    assert reference.seed == (None if by_hand else asked.get("seed"))
    assert (reference.setup.get("engine") == "loop") == by_hand
    rate = reference.recipe.get("learning_rate")
    assert (None if rate is None else exact(rate)) == asked.get("learning_rate")
    for field in ("per_device_train_batch_size", "num_train_epochs"):
        assert reference.recipe.get(field) == asked.get(field)
    if "devices" in item:
        assert reference.devices == item["devices"]
    if "versions" in item:
        assert reference.versions == item["versions"]
    if "n_runs" in item and reference.statistic != "best" and "accuracy" in reference.metrics:
        assert reference.n == (2 if name == "bert-issue-1037" else item["n_runs"])
    if "source" in item:
        assert reference.source == item["source"]


def test_every_sd_is_that_of_the_collection(collection: dict[str, Any]) -> None:
    for reference in taken():
        for published in reference.metrics.values():
            if published.sd is not None:
                metrics = collection[reference.item]["metrics"]
                assert exact(published.sd) == (metrics.get("accuracy_sd") or metrics["sd"]) / 100


def test_the_published_statistics_of_seed_studies_follow_from_their_runs(collection: dict[str, Any]) -> None:
    for name in ("nvidia-pt-10seeds", "nvidia-tf-10seeds-fp16", "nvidia-tf-10seeds-tf32"):
        values = find(name).metrics["accuracy"].every
        printed = collection[find(name).item]["metrics"]
        assert statistics.fmean(values) == pytest.approx(float(printed["mean"]) / 100, abs=5e-5)
        assert statistics.stdev(values) == pytest.approx(float(printed["sd"]) / 100, abs=2e-5)


@pytest.mark.parametrize(
    ("name", "metric", "n", "mean", "sd", "low", "median", "high"),
    [
        ("replication-course-uncased", "accuracy", 25, 0.8555, 0.0105, 0.8358, 0.8578, 0.8775),
        ("replication-course-uncased", "f1", 25, 0.8990, 0.0076, 0.8839, 0.9010, 0.9138),
        ("replication-course-cased", "accuracy", 3, 0.8480, 0.0136, 0.8358, 0.8456, 0.8627),
        ("replication-course-cased", "f1", 3, 0.8926, 0.0095, 0.8839, 0.8912, 0.9028),
        ("replication-push-to-hub-cased", "accuracy", 7, 0.8543, 0.0141, 0.8284, 0.8603, 0.8676),
        ("replication-push-to-hub-cased", "f1", 7, 0.8984, 0.0103, 0.8793, 0.9032, 0.9085),
    ],
)
def test_the_replication_samples(
    name: str, metric: str, n: int, mean: float, sd: float, low: float, median: float, high: float
) -> None:
    sample = find(name)
    values = sample.metrics[metric].every
    assert len(values) == len(set(sample.members)) == sample.n == n
    described = (
        statistics.fmean(values),
        statistics.stdev(values),
        min(values),
        statistics.median(values),
        max(values),
    )
    assert described == pytest.approx((mean, sd, low, median, high), abs=5.1e-5)
    assert all(run.source and run.statistic == "single" and same_recipe(run, sample) for run in sample.runs)
    assert not any(run.unusable for run in sample.runs)


def test_the_primary_sample_is_what_the_collection_calls_exact_and_clean(collection: dict[str, Any]) -> None:
    chosen = {
        name
        for name, item in collection.items()
        if item.get("clean_course_run") and item["checkpoint"] == "bert-base-uncased"
    }
    runs = {run.item for run in find("replication-course-uncased").runs}
    assert chosen - runs == {"card:P3ps__test-trainer-glue-mrpc"}  # the one run in fp16
    assert runs < chosen
    assert find("card-P3ps").precision == "fp16"


def test_recipes_are_what_a_grid_accepts() -> None:
    for reference in registry().references:
        for field, value in reference.recipe.items():
            check_recipe(field, value, f"{reference.id}: {field}")


def test_a_misspelt_id_gets_the_one_that_was_meant() -> None:
    with pytest.raises(
        SpecError, match=r'got "hf-curse-ch3"; allowed one of the 175 ids.*did you mean hf-course-ch3\?'
    ):
        find("hf-curse-ch3")


def test_the_sample_behind_a_single_value() -> None:
    assert registry().sample_of(find("hf-course-ch3"), "accuracy") is find("replication-course-uncased")
    assert registry().sample_of(find("card-VuHuy"), "accuracy") is None
    assert registry().sample_with(find("card-joheras")) is find("replication-course-uncased")
    assert registry().sample_with(find("hf-course-ch3")) is None


def test_a_recipe_is_compared_by_its_global_batch() -> None:
    two_gpus, one = find("card-sgugger-bert"), find("card-sgugger-glue-mrpc")
    assert two_gpus.recipe["per_device_train_batch_size"] == 8
    assert same_recipe(two_gpus, one) is True
    assert same_recipe(two_gpus, find("replication-course-cased")) is False
    assert same_recipe(two_gpus, find("deeppavlov-cased")) is None
    assert same_settings({"learning_rate": 1e-5}, {"learning_rate": 1e-5}) is None
    assert settings(find("nvidia-pt-10seeds"))["global_batch_size"] == 128
    assert today("bert-base-cased") == "google-bert/bert-base-cased"
    assert today("somebody/bert-base-cased") == "somebody/bert-base-cased"


GOOD = """
schema = 1
[[reference]]
id = "one"
kind = "card"
checkpoint = "c"
split = "validation"
statistic = "single"
n = 1
source = "https://example.org"
metrics.accuracy = { value = 0.8554, decimals = 4 }
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_registry_of_ones_own(tmp_path: Path) -> None:
    own = load(write(tmp_path, GOOD))
    assert isinstance(own, Registry)
    assert own.find("one").metrics["accuracy"].every == [0.8554]
    assert own.find("one").runs == ()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("0.8554", "85.54", r"mine.toml: one: metrics.accuracy: got 85.54; allowed a fraction from 0 to 1"),
        ("0.8554", '"high"', r'mine.toml: one: metrics.accuracy.value: got "high"; allowed a number'),
        ("0.8554", "inf", r"one: metrics.accuracy.value: got Infinity; allowed a finite number"),
        ("decimals = 4", "decimals = 0", r"one: metrics.accuracy.decimals: got 0; allowed a value >= 1"),
        ("decimals = 4", "digits = 4", r"metrics.accuracy.digits: got 4; not a key here; allowed value, values"),
        ('"card"', '"carb"', r'one: kind: got "carb"; allowed course, card.*did you mean card\?'),
        ('split = "validation"', 'spilt = "validation"', r"one: split: missing"),
        ('split = "validation"', 'spilt = "validation"', r"one: spilt: got .*did you mean split\?"),
        ("n = 1", "n = 3", r'one: n: got 3; allowed 1 for statistic "single"'),
        ('"single"', '"median"', r'one: n: got 1; allowed 2 or more, or none, for statistic "median"'),
        ('"single"\nn = 1', '"sample"\nn = 2', r'one: metrics.accuracy: allowed `values` with statistic "sample"'),
        ("value = 0.8554", "values = [0.1, 0.2]", r"one: metrics.accuracy: allowed `values` with statistic"),
        ("value = 0.8554", "sd = 0.1, value = 0.8554", r'one: metrics.accuracy.sd: got 0.1; allowed with .*"mean"'),
        ("value = 0.8554, ", "", r"one: metrics.accuracy.value: allowed either one `value` or `values`"),
        ("metrics.accuracy", "metrics.accuracies", r"metrics.accuracies.*allowed accuracy, f1"),
        ('id = "one"', 'id = "a b"', r"mine.toml: a b: id: got \"a b\"; allowed 1 to 64 letters"),
        ('id = "one"', "id = 1", r"mine.toml: reference\[0\]: id: got 1; allowed text in quotes"),
        ('id = "one"', 'id = "one"\ndate = "May 2020"', r'one: date: got "May 2020"; allowed YYYY'),
        ('id = "one"', 'id = "one"\nof = "two"', r'mine.toml: one: of: got "two"; allowed an id of the registry'),
        ("schema = 1", "schema = 2", r"mine.toml: schema: got 2; allowed 1"),
        ("schema = 1", "schema = 1\nother = 3", r"mine.toml: other: got 3; not a key here"),
        ("schema = 1", "schema = ", r"mine.toml: not valid TOML"),
        ("[[reference]]", "[reference]", r"mine.toml: reference: got .*allowed \[\[reference\]\] tables"),
    ],
)
def test_an_error_names_file_reference_field_value_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in GOOD
    with pytest.raises(SpecError, match=problem):
        load(write(tmp_path, GOOD.replace(old, new, 1)))


def test_an_id_may_stand_once_and_all_problems_are_told(tmp_path: Path) -> None:
    table = GOOD.partition("schema = 1")[2]
    with pytest.raises(SpecError, match=r'one: id: got "one" again') as caught:
        load(write(tmp_path, GOOD + table + table.replace('"one"', '"two"').replace("0.8554", "2.0")))
    assert len(str(caught.value).splitlines()) == 2


def test_a_sample_is_made_of_usable_single_values_of_its_subject(tmp_path: Path) -> None:
    table = GOOD.partition("schema = 1")[2]
    two = table.replace('"one"', '"two"')
    sample = """
[[reference]]
id = "both"
kind = "sample"
checkpoint = "c"
split = "validation"
statistic = "sample"
n = 2
members = ["one", "two"]
source = "its members"
"""
    own = load(write(tmp_path, GOOD + two.replace("0.8554", "0.8431") + sample))
    assert own.find("both").metrics["accuracy"].every == [0.8554, 0.8431]
    assert [run.id for run in own.find("both").runs] == ["one", "two"]
    for changed, problem in (
        (two.replace("validation", "test"), r'both: members: got "two"; allowed single values of the same task'),
        (two.replace('kind = "card"', 'kind = "card"\nunusable = "broken"'), r'both: members: got "two"; allowed'),
        (two.replace("accuracy", "f1"), r"both: members: share no score"),
        ("", r'both: members: got "two"; allowed an id of the registry'),
    ):
        with pytest.raises(SpecError, match=problem):
            load(write(tmp_path, GOOD + changed + sample))
    with pytest.raises(SpecError, match=r"both: members: got one of them twice"):
        load(write(tmp_path, GOOD + two + sample.replace('"one", "two"', '"one", "one"')))
    with pytest.raises(SpecError, match=r"both: members: allowed with statistic .sample. and n = 2"):
        load(write(tmp_path, GOOD + two + sample.replace("n = 2", "n = 3")))
    with pytest.raises(SpecError, match=r"both: metrics: allowed metrics, or `members`"):
        load(write(tmp_path, GOOD + two + sample.replace('members = ["one", "two"]\n', "")))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none.toml: cannot be read"):
        load(tmp_path / "none.toml")
