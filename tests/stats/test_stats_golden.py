"""Every vector of tests/data/statistics_golden.json, to its stated tolerance; accuracy in points, alpha 0.05."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.stats.decision import Rule, decide
from harness.stats.f1 import scores
from harness.stats.family import benjamini_hochberg, holm
from harness.stats.mcnemar import mcnemar
from harness.stats.order_statistic import expected, pivot_cdf
from harness.stats.reference import median_of, prediction_interval, published_mean, single
from harness.stats.stability import compare_rates, stability
from harness.stats.throughput import compare_pairs
from harness.stats.variance import sample

GOLDEN = Path(__file__).parents[1] / "data" / "statistics_golden.json"

Numbers = dict[str, Any]


def vectors() -> dict[str, Numbers]:
    return {vector["id"]: vector for vector in json.loads(GOLDEN.read_text(encoding="utf-8"))}


def majority(i: Numbers) -> Numbers:
    positive, negative = i["positives"], i["n"] - i["positives"]
    up, down = scores(positive, negative, 0, 0), scores(0, 0, positive, negative)
    return {
        "acc_all_pos": up.accuracy / 100, "f1_all_pos": up.f1 / 100,
        "acc_all_neg": down.accuracy / 100, "f1_all_neg": down.f1 / 100,
    }  # fmt: skip


def confusion(i: Numbers) -> Numbers:
    def tables(n: int, positives: int) -> list[list[int]]:
        tp, tn = np.meshgrid(np.arange(positives + 1), np.arange(n - positives + 1), indexing="ij")
        near = np.abs((tp + tn) / n - float(i["acc"])) < 1e-4  # the exact rounding is asked of scores() below
        found = []
        for p, q in zip(tp[near].tolist(), tn[near].tolist(), strict=True):
            table = [p, n - positives - q, positives - p, q]
            both = scores(table[0], table[1], table[2], table[3])
            if [f"{x / 100:.{i['decimals']}f}" for x in (both.accuracy, both.f1)] == [i["acc"], i["f1"]]:
                found.append(table)
        return found

    return {"validation_408_279": tables(408, 279), "test_1725_1147": tables(1725, 1147)}


def f1_delta_se(i: Numbers) -> Numbers:
    errors = i["FP_plus_FN"]
    both = scores(i["TP"], 20, errors - 20, i["n"] - i["TP"] - errors)
    return {"se_acc": both.se_accuracy / 100, "se_f1": both.se_f1 / 100}


def single_ref(i: Numbers) -> Numbers:
    ours = sample([100 * each / i.get("n", 408) for each in i["correct"]])
    estimate = single(ours, i["ref_points"])
    decision = decide(estimate, Rule(i["delta_points"]))
    low, high = prediction_interval(ours) or (math.nan, math.nan)
    assert ours.sd is not None
    assert estimate.se_diff is not None
    return {
        "mean": ours.mean, "sd": ours.sd.value, "t": estimate.difference / estimate.se_diff, "df": ours.sd.df,
        "p_diff": decision.p_diff, "pi_lo": low, "pi_hi": high, "p_tost": decision.p_tost, "verdict": decision.outcome,
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


REPRODUCED: dict[str, Callable[[Numbers], Numbers]] = {
    "majority": majority,
    "confusion_0.8578_0.8997": confusion,
    "f1_delta_se": f1_delta_se,
    "single_ref_PI": single_ref,
    "mean_sd_ref_welch": mean_sd_ref,
    "pivot_median5": pivot,
    "d_k": lambda i: {"d5": expected(i["k"], i["k"])},
    "mcnemar_exact": mcnemar_exact,
    "throughput_ratio": throughput,
    "holm_bh": lambda i: {"holm": list(holm(i["p"])), "bh": list(benjamini_hochberg(i["p"]))},
    "collapse": collapse,
}


def test_every_vector_is_reproduced_here() -> None:
    assert vectors().keys() == REPRODUCED.keys()


@pytest.mark.parametrize("name", REPRODUCED)
def test_golden(name: str) -> None:
    vector = vectors()[name]
    found = REPRODUCED[name](vector["inputs"])
    assert found.keys() == vector["expected"].keys()
    for key, value in vector["expected"].items():
        if isinstance(value, float) or (isinstance(value, list) and value and isinstance(value[0], float)):
            assert found[key] == pytest.approx(value, rel=0, abs=vector["tol"]), key
        else:
            assert found[key] == value, key
