"""Expansion: GitHub's documented example to the letter, and properties of include and exclude."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.grid.cell import AXES
from harness.grid.matrix import Matrix, identity, read_matrix


def test_githubs_documented_include_example() -> None:
    # docs.github.com, "Running variations of jobs in a workflow", "Expanding or adding matrix configurations".
    matrix = Matrix(
        axes={"fruit": ["apple", "pear"], "animal": ["cat", "dog"]},
        include=[
            {"color": "green"},
            {"color": "pink", "animal": "cat"},
            {"fruit": "apple", "shape": "circle"},
            {"fruit": "banana"},
            {"fruit": "banana", "animal": "cat"},
        ],
    )
    assert matrix.combinations() == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_githubs_documented_exclude_example() -> None:
    matrix = Matrix(
        axes={
            "os": ["macos-latest", "windows-latest"],
            "version": [12, 14, 16],
            "environment": ["staging", "production"],
        },
        exclude=[
            {"os": "macos-latest", "version": 12, "environment": "production"},
            {"os": "windows-latest", "version": 16},
        ],
    )
    # "The resulting workflow will have nine jobs (one for each of the 12 combinations minus the one excluded
    # {macos-latest, 12, production} and minus the two excluded {windows-latest, 16})."
    combinations = matrix.combinations()
    assert len(combinations) == 9
    assert {"os": "macos-latest", "version": 12, "environment": "production"} not in combinations
    assert not any(c["os"] == "windows-latest" and c["version"] == 16 for c in combinations)


def test_exclude_comes_first_so_that_include_can_add_back() -> None:
    matrix = Matrix(axes={"a": [1, 2]}, exclude=[{"a": 2}], include=[{"a": 2, "b": 3}])
    assert matrix.combinations() == [{"a": 1}, {"a": 2, "b": 3}]


def test_only_include_makes_one_combination_an_entry() -> None:
    assert Matrix(axes={}, include=[{"a": 1}, {"a": 2}]).combinations() == [{"a": 1}, {"a": 2}]


def test_true_is_not_one_and_three_is_three_point_zero() -> None:
    assert identity(True) != identity(1)
    assert identity(3) == identity(3.0)
    assert Matrix(axes={"a": [True, 1]}, exclude=[{"a": 1}]).combinations() == [{"a": True}]


axes = st.dictionaries(
    st.sampled_from("abc"), st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True), max_size=3
)
entries = st.lists(st.dictionaries(st.sampled_from("abcde"), st.integers(0, 3), min_size=1, max_size=3), max_size=4)


def github(axes: dict, include: list[dict], exclude: list[dict]) -> list[dict]:
    """GitHub's wording, executed literally and slowly."""
    originals: list[dict] = [{}] if axes else []
    for name, values in axes.items():
        originals = [{**original, name: value} for original in originals for value in values]
    originals = [
        original
        for original in originals
        if not any(all(original.get(key) == value for key, value in entry.items()) for entry in exclude)
    ]
    results = [dict(original) for original in originals]
    added = []
    for entry in include:
        fits = [
            number
            for number, original in enumerate(originals)
            if all(original[key] == value for key, value in entry.items() if key in original)
        ]
        for number in fits:
            results[number].update(entry)
        if not fits:
            added.append(dict(entry))
    return results + added


@settings(max_examples=200, deadline=None)
@given(axes, entries, entries)
def test_expansion_equals_a_literal_reading(axes: dict, include: list[dict], exclude: list[dict]) -> None:
    exclude = [entry for entry in exclude if set(entry) <= set(axes)]
    assert Matrix(axes=axes, include=include, exclude=exclude).combinations() == github(axes, include, exclude)


def test_every_problem_is_a_line_with_its_place() -> None:
    _, problems = read_matrix(
        {
            "checkpont": "a",
            "seed": [1, 1, True, -1],
            "precision": "fp8",
            "devices": [],
            "warmup_ratio": 0.1,
            "scaling": "big",
            "include": [{}, {"learning_rat": 1}],
            "exclude": [{"seed": 7}, {"engine": "trainer"}],
        },
        "g.toml",
    )
    axes = ", ".join(AXES)
    assert list(AXES)[:4] == ["checkpoint", "seed", "precision", "devices"]
    assert problems == [
        f'g.toml: matrix.checkpont: got "a"; not an axis; allowed {axes}, or a TrainingArguments field; did you mean '
        "checkpoint?",
        "g.toml: matrix.seed[1]: got 1 again; allowed each value once (it is at [0])",
        "g.toml: matrix.seed[2]: got true; allowed an integer from 0 to 4294967295",
        "g.toml: matrix.seed[3]: got -1; allowed an integer from 0 to 4294967295",
        'g.toml: matrix.precision: got "fp8"; allowed fp32, tf32, fp16, bf16',
        "g.toml: matrix.devices: got []; allowed at least one value",
        "g.toml: matrix.warmup_ratio: got 0.1; today's name is warmup_steps, where a value below 1 is the ratio",
        'g.toml: matrix.scaling: got "big"; allowed strong, weak',
        "g.toml: matrix.include[0]: got {}; allowed a table of at least one axis and its value",
        f"g.toml: matrix.include[1].learning_rat: got 1; not an axis; allowed {axes}, or a TrainingArguments field; "
        "did you mean learning_rate?",
        "g.toml: matrix.exclude[0].seed: got 7; allowed 1",
        'g.toml: matrix.exclude[1].engine: got "trainer"; not an axis of this matrix; allowed seed, precision, devices',
        "g.toml: matrix.checkpoint: missing; allowed one or more checkpoints, it is required",
    ]


def test_an_absurd_product_is_refused_before_it_is_built() -> None:
    raw = {"checkpoint": "a", "seed": list(range(10_001)), "max_steps": list(range(1, 10_001))}
    _, problems = read_matrix(raw, "g.toml")
    assert problems == ["g.toml: matrix: got 100010000 combinations; allowed at most 1000000"]


def test_as_many_exclusions_as_seeds_are_read_in_seconds() -> None:
    seeds = list(range(20_000))
    began = time.process_time()
    raw = {"checkpoint": "m", "seed": seeds, "exclude": [{"seed": seed} for seed in seeds[1:]]}
    matrix, problems = read_matrix(raw, "g.toml")
    assert (problems, len(matrix.combinations())) == ([], 1)
    assert time.process_time() - began < 10  # quadratic it was 26 s on an idle machine
