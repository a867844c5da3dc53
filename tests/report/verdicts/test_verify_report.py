"""The published report of a verification, and its problems in words."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import pytest

from harness.checks.verdict import Fact
from harness.checks.verify.checklist import Checklist, Pair
from harness.checks.verify.problems import Problem
from harness.checks.verify.upstream import LOSS_SCALE
from harness.pipelines.verify import Verification
from harness.record.run import Run
from harness.report.phrases.causes import cause_text
from harness.report.phrases.problems import problem_details, problem_title, problem_word
from harness.report.verdicts.markdown import document
from harness.report.verdicts.text import verdicts_text
from harness.report.verdicts.verify_report import verification_report
from tests.report.conftest import make_cell, make_entry, make_record

LEFT = Fact.of(
    "series.left", item="gradient norm", kind="accumulation", ratio=4.0, twin=4.0, base=1.0,
    where=Fact.of("where", step=0, steady=True, differing=8, steps=8),
)  # fmt: skip
PROBLEM = Problem(
    "new",
    "training",
    LOSS_SCALE,
    LOSS_SCALE,
    "accumulation",
    "gradient norm",
    "tiny",
    LEFT,
    0,
    4.0,
    3,
    "e0",
    "e1",
    1.0,
)


def verified(versions: list[str], **more: Any) -> Verification:
    """A run in an environment for each version of transformers."""
    runs, pairs = {}, []
    for seed, version in enumerate(versions):
        entry = make_entry(seed=seed)
        record = make_record(entry, packages={"torch": "2.13.0", "transformers": version})
        cell = replace(make_cell(entry), environment=f"e{seed}")
        asked = record.asked.model_copy(update={"environment": f"e{seed}"})
        runs[cell.cell_id] = Run(record.model_copy(update={"asked": asked}))
        pairs.append(Pair("repeat", cell, cell))
    return Verification(Checklist(tuple(pairs)), runs, [], **more)


def plain(markdown: str) -> str:
    """Markdown without its escapes, links as their text."""
    return html.unescape(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown.replace("\\", "")))


def report(found: Verification) -> str:
    return verification_report(
        found.checklist, found.section("harness verify", "harness verify g.toml"), found.runs, "h"
    )


@pytest.mark.parametrize(
    ("versions", "title"),
    [
        (["5.23.0"], "transformers 5.23.0, torch 2.13.0: NOTHING JUDGED: no problem in 0 checks"),
        (["5.4.0", "5.23.0"], "transformers 5.4.0 -> 5.23.0, torch 2.13.0: NOTHING JUDGED: no new problem"),
        (
            ["4.45.2", "4.57.0", "5.0.0"],
            "transformers 4.45.2 to 5.0.0, torch 2.13.0: NOTHING JUDGED: no new problem",
        ),
        (
            ["5.0.0", "5.0.0"],
            "environments e0 -> e1, transformers 5.0.0, torch 2.13.0: NOTHING JUDGED: no new problem",
        ),
    ],
)
def test_the_title_names_the_versions_and_the_answer(versions: list[str], title: str) -> None:
    assert plain(report(verified(versions))).startswith(f"# {title}")


def test_each_problem_stands_once_with_its_harm_and_the_way_around_it() -> None:
    old = replace(PROBLEM, state="both", harm="log", item="logged loss", checks=1)
    gone = replace(PROBLEM, state="repaired", check="resume", item="random state", ratio=None, upstream=None, cause="x")
    found = verified(["5.4.0", "5.23.0"], problems=(PROBLEM, old, gone))
    section = found.section("harness verify", "harness verify g.toml")
    answer = "1 new problem that changes training, 1 repaired, 1 in both e0 and e1"
    assert section.head.facts[1].values["new_training"] == 1
    text, page = verdicts_text(section.head, []), report(found)
    summary = document(section.head, [])
    for where in (text, plain(page), plain(summary)):
        assert answer in where
        assert where.count("with 4 accumulation steps the gradient norm is 4.000 x, 3 checks") == 1
        assert where.count("with 4 accumulation steps the logged loss is 4.000 x (log only), 1 check") == 1
        assert "resumed from a checkpoint the random state was not the same, 3 checks" in where
        assert "model.accepts_loss_kwargs = False, before Trainer(...)" in where
        assert "gradient norm: e0 1.000 x -> e1 4.000 x" in where
    words = [line[:9].strip() for line in text.splitlines() if line[:1].isupper()]
    assert words == ["NOTHING J", "NEW", "BOTH", "REPAIRED", "No check."]
    assert "[huggingface/transformers#47688](https://github.com/huggingface/transformers/issues/47688)" in page


def test_what_is_in_both_says_what_it_means_where_nothing_new_does() -> None:
    old = replace(PROBLEM, state="both", upstream=None, cause="random state")
    assert problem_details(old) == [f"usually: {cause_text('random state')}"]
    known = replace(PROBLEM, state="both")
    assert problem_details(known, {str(known.upstream)}) == []
    repaired = replace(old, state="repaired", a="e0", b="e1", ratio_a=1.0)
    assert problem_details(repaired) == [
        "gradient norm: e0 4.000 x -> e1 right", f"usually: {cause_text('random state')}",
        "whom it concerns trains otherwise from e1 on",
    ]  # fmt: skip
    # What has no number says what was found.
    fewer = Fact.of("steps.other", base=8, twin=6)
    steps = replace(repaired, check="epochs", item="optimizer steps", fact=fewer, ratio=None, ratio_a=None)
    assert problem_details(steps)[0] == "e0: the optimizer stepped 6 times against 8"
    title = "by epochs that leave micro-batches over the optimizer steps were not the same, "
    assert problem_title(steps).startswith(title)
    alone = replace(steps, check="fidelity", ways=("accumulation", "epochs"))
    assert problem_title(alone).startswith(f"in a run with 4 accumulation steps, {title[:30]}")
    # Of what fails in another way in B nothing is called right.
    assert problem_details(replace(repaired, ratio_a=0.25)) == [f"usually: {cause_text('random state')}"]
    assert not any("->" in line for line in problem_details(replace(PROBLEM, state="open")))


def test_of_one_environment_the_harm_is_the_word() -> None:
    alone = replace(PROBLEM, state=None, a="", b="", ratio_a=None)
    assert [problem_word(alone), problem_word(replace(alone, harm="log"))] == ["TRAINING", "LOG ONLY"]
    assert problem_details(alone)[0].startswith("tiny: gradient norm is 4.000 x the single batch's")
    assert problem_title(replace(alone, waived=True)).endswith(f"known: {LOSS_SCALE} (waived)")
    found = verified(["5.23.0"], problems=(alone, replace(alone, harm="log"))).section("t", "c").head.facts[1]
    assert (found.code, found.values["training"], found.values["log"]) == ("verify.found", 1, 1)
