"""Every vector of tests/data/statistics_golden.json, to its stated tolerance; accuracy in points, alpha 0.05."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from harness.references.tables import SPLITS, Printed, Table, fitting
from harness.stats.axis import Arm, Difference, compare, influence, right, words
from harness.stats.decision import Rule, decide
from harness.stats.descriptive import f1_standard_error
from harness.stats.family import holm
from harness.stats.order_statistic import expected, pivot_cdf
from harness.stats.paired import mcnemar
from harness.stats.reference import median_of, published_mean, single
from harness.stats.stability import compare_rates, stability
from harness.stats.throughput import compare_pairs
from harness.stats.variance import sample

GOLDEN = Path(__file__).parents[1] / "data" / "statistics_golden.json"

Numbers = dict[str, Any]


def vectors() -> dict[str, Numbers]:
    return {vector["id"]: vector for vector in json.loads(GOLDEN.read_text(encoding="utf-8"))}


def majority(i: Numbers) -> Numbers:
    positive, negative = i["positives"], i["n"] - i["positives"]
    up, down = Table(positive, negative, 0, 0), Table(0, 0, positive, negative)
    return {"acc_all_pos": up.accuracy, "f1_all_pos": up.f1, "acc_all_neg": down.accuracy, "f1_all_neg": down.f1}


def confusion(i: Numbers) -> Numbers:
    accuracy, f1 = (Printed(float(i[name]), i["decimals"]) for name in ("acc", "f1"))
    tables = {split: fitting(SPLITS[split], accuracy, f1)[1] for split in ("validation", "test")}
    found = {split: [[t.tp, t.fp, t.fn, t.tn] for t in every] for split, every in tables.items()}
    return {"validation_408_279": found["validation"], "test_1725_1147": found["test"]}


def f1_delta_se(i: Numbers) -> Numbers:
    tp, errors, n = i["TP"], i["FP_plus_FN"], i["n"]
    return {"se_f1": f1_standard_error(1 - errors / n, 2 * tp / (2 * tp + errors), n) / 100}


def single_ref(i: Numbers) -> Numbers:
    ours = sample([100 * each / i.get("n", 408) for each in i["correct"]])
    estimate = single(ours, i["ref_points"])
    decision = decide(estimate, Rule(i["delta_points"]))
    low, high = decision.ci95 or (math.nan, math.nan)  # of ours less the reference: turned, the prediction interval
    assert ours.sd is not None
    assert estimate.se_diff is not None
    return {
        "mean": ours.mean, "sd": ours.sd.value, "t": estimate.difference / estimate.se_diff, "df": ours.sd.df,
        "p_diff": decision.p_diff, "p_tost": decision.p_tost, "verdict": decision.outcome,
        "pi_lo": i["ref_points"] + low, "pi_hi": i["ref_points"] + high,
    }  # fmt: skip


def mean_sd_ref(i: Numbers) -> Numbers:
    ours = sample([100 * each / i.get("n", 408) for each in i["correct"]])
    estimate = published_mean(ours, i["ref_mean"], i["ref_n"], i["ref_sd"], "welch")
    decision = decide(estimate, Rule(i["delta_points"]))
    low, high = decision.ci90 or (math.nan, math.nan)
    return {
        "diff": decision.difference, "se": estimate.se_diff, "df": decision.df, "p_diff": decision.p_diff,
        "p_tost": decision.p_tost, "ci90_lo": low, "ci90_hi": high, "verdict": decision.outcome,
    }  # fmt: skip


def pivot(i: Numbers) -> Numbers:
    ours = sample([100 * each / i.get("n", 408) for each in i["correct"]])
    assert ours.sd is not None
    t = (i["ref_points"] - ours.mean) / ours.sd.value
    return {
        "T": t,
        "cdf": pivot_cdf(t, ours.n, i["df"], i["j"], i["k"]),
        "p_two_sided": decide(median_of(ours, i["ref_points"], i["k"]), Rule(2.5)).p_diff,
    }


def mcnemar_exact(i: Numbers) -> Numbers:
    both = mcnemar(i["b"], i["c"], i["n"])
    return {
        "p": both.p, "acc_diff_points": both.difference, "churn": both.churn,
        "se_independent_flips_points": both.se_independent,
    }  # fmt: skip


def throughput(i: Numbers) -> Numbers:
    speed = compare_pairs(i["A"], i["B"], i["margin"])
    low, high = speed.ci90 or (math.nan, math.nan)
    return {
        "ratio": speed.ratio, "ci90_lo": low, "ci90_hi": high, "p_regress_one_sided": speed.p_slower,
        "verdict": speed.outcome,
    }  # fmt: skip


def collapse(i: Numbers) -> Numbers:
    found = stability(i["k"], i["n"], i["p0"])
    return {
        "cp95_lo": found.rate.low, "cp95_hi": found.rate.high, "p_greater": found.p,
        "fisher_0of5_vs_3of5": compare_rates(0, 5, 3, 5).p,
    }  # fmt: skip


def bits(text: str) -> npt.NDArray[np.int64]:
    return np.array([*map(int, text)])


def arm(runs: list[str], truth: str, metric: str = "accuracy") -> Arm:
    """Fractions, as the vectors have them."""
    values = (right if metric == "accuracy" else influence)(np.stack([bits(run) for run in runs]), bits(truth))
    assert values is not None
    return Arm(tuple((values / 100).mean(axis=1).tolist()), values / 100)


def both_questions(found: Difference) -> Numbers:
    here, anew = found.here, found.anew
    assert here is not None
    assert anew is not None
    return {
        "difference": found.value, "V1": here.variance, "df1": here.df, "p1": here.p(found.value),
        "V2": anew.variance, "df2": anew.df, "p2": anew.p(found.value),
    }  # fmt: skip


def axis(i: Numbers) -> Numbers:
    return {
        metric: both_questions(
            compare(*(arm(i[side], i["truth"], metric) for side in "ab"), paired_by_seed=i.get("paired", False))
        )
        for metric in ("accuracy", "f1")
    }


def axis_words(i: Numbers) -> list[Numbers]:
    first, *others = (arm(runs, i["truth"]) for runs in i["runs"])
    found = [compare(first, other) for other in others]
    rows = []
    for one, said in zip(found, words(found, i["margin"]), strict=True):
        assert one.here is not None
        low, high = one.here.interval(one.value, 0.9)
        numbers = {"low90": low, "high90": high, "holm1": said.p_here, "holm2": said.p_anew, "word": said.word}
        rows.append({**both_questions(one), **numbers})
    return rows


REPRODUCED: dict[str, Callable[[Numbers], Any]] = {
    "majority": majority,
    "confusion_0.8578_0.8997": confusion,
    "f1_delta_se": f1_delta_se,
    "single_ref_PI": single_ref,
    "mean_sd_ref_welch": mean_sd_ref,
    "pivot_median5": pivot,
    "d_k": lambda i: {"d5": expected(i["k"], i["k"])},
    "mcnemar_exact": mcnemar_exact,
    "throughput_ratio": throughput,
    "holm_bh": lambda i: {"holm": list(holm(i["p"]))},
    "collapse": collapse,
    **dict.fromkeys(("axis_welch_3_4", "axis_welch_5_5", "axis_paired_5", "axis_floor_V1"), axis),
    "axis_words_4": axis_words,
}


NOT_COMPUTED = {"bh", "se_acc"}
"""What no command prints: Benjamini and Hochberg's p, and the test-sampling error of accuracy."""


def test_every_vector_is_reproduced_here() -> None:
    assert vectors().keys() == REPRODUCED.keys()


def close(found: Any, expected: Any, tol: float) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
    for key in expected if isinstance(expected, dict) else range(len(expected)):
        if isinstance(expected[key], dict):
            close(found[key], expected[key], tol)
        elif isinstance(expected[key], str):
            assert found[key] == expected[key], key
        else:
            assert found[key] == pytest.approx(expected[key], rel=0, abs=tol), key


@pytest.mark.parametrize("name", REPRODUCED)
def test_golden(name: str) -> None:
    vector = vectors()[name]
    found = REPRODUCED[name](vector["inputs"])
    if name.startswith("axis"):
        close(found, vector["expected"], vector["tol"])
        return
    assert found.keys() == vector["expected"].keys() - NOT_COMPUTED
    for key, value in vector["expected"].items():
        if key in NOT_COMPUTED:
            continue
        if isinstance(value, float) or (isinstance(value, list) and value and isinstance(value[0], float)):
            assert found[key] == pytest.approx(value, rel=0, abs=vector["tol"]), key
        else:
            assert found[key] == value, key
