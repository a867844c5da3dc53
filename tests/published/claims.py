"""What stands behind the figures of pages that are written by hand: quotations, with the source of each figure."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from benchmarks.throughput_study import SLOWER
from harness.checks.verify.series import FP32_STEPS, RELATIVE
from harness.protocol import SUBJECT
from harness.stats import collapse, family, margin, power, sequential, stability, throughput, variance
from harness.stats.axis import LEAST as LEAST_COMPARED
from harness.stats.order_statistic import expected
from harness.stats.paired import mcnemar, sign_flip
from harness.stats.reference import LUCKY, SIMILAR
from harness.stats.stability import compare_rates
from tests.published import course
from tests.published.backing import Claim, Claimed, Declared
from tests.published.docs import DOCS
from tests.published.sources import (
    REPORTS,
    SAMPLES,
    accumulation,
    bootstrap_coverage,
    cost,
    entries,
    found,
    numbers,
    pinned,
    points,
    read,
    speed_gate,
    text,
    versions,
    word,
)

ALPHA: Final = sequential.WHOLE
LOOKS: Final = list(sequential.CALIBRATED)
COURSE: Final = points("hf-course-ch3")[0], points("hf-course-ch3", "f1")[0]
EXAMPLES, POSITIVE = sum(collapse.MRPC), collapse.MRPC[1]
TODAY: Final = pinned("transformers")
TRAIN: Final = 3668
"""Training pairs of MRPC, as its licence lets nobody but the user count; each report of it has the number."""


LEVEL: Final = round(100 * (1 - 2 * accumulation().alpha), 1)
"""Of the interval of the accumulation experiment: its first of two looks decided."""


def moved() -> tuple[float, float, float, int]:
    """By how much the work-around moves accuracy: points, the interval that decides, pairs."""
    decision = accumulation()
    assert decision.ci_pass is not None
    return decision.difference, *decision.ci_pass, decision.n


def readme() -> Claimed:
    """README.md."""
    shift, low, high, pairs = moved()
    loop = "A grid against a shell loop"
    one, two = (
        numbers(cost(loop, row, "faster than the loop, wall"))[0]
        for row in ("`harness run --slots 1`", "`harness run`, 2 cells at a time")
    )
    return Claimed([
        Claim('"Accuracy {:.2f}, F1 {:.2f}"', *COURSE),
        Declared("what a run of the command printed at its end", "quickstart, verify: 9 checks: 9 PASS",
                 "PASS  quickstart: 8 of 8 verdicts pass",
                 "15 of 15 cells measured now, 0 reused; oldest 2026-11-29 15:53, youngest",
                 "2026-11-29 15:55 (UTC); on cpu (AMD EPYC, torch 2.13.0+cpu, transformers",
                 "5.23.0)",
                 "PASS  8: quality 3, parity 2, stability 3",
                 "quality, nearest to its margin of 3: bf16 · devices=1 against",
                 "quickstart-sample: accuracy 93.61, published 93.84, margin 5.25: -0.23",
                 "[-1.58, +1.11], 5 runs",
                 "parity, nearest to its margin of 2: devices=1: fp32 -> bf16: accuracy",
                 "93.61, against 93.64, margin 1: -0.03 [-0.10, +0.05], 5 runs",
                 "18 judgements: 1 INCONCLUSIVE, 17 PASS, in 3 min 50 s: exit 0",
                 "printed on 2 cores: two layers of a BERT", "[25 other seeds]", "twice the same run",
                 "on two devices they score"),
        Declared("the shipped grid", "2\nlayers of a real BERT checkpoint",
                 "five seeds in fp32, in bf16 and on two\ndevices", "[25 runs of that very grid]"),
        Declared("the question in words", "on two devices"),
        Declared("letters of the alphabet", "what does A -> B change"),
        Claim("transformers {} trains BERT with gradients", TODAY),
        Claim("gradients {} times too large on {} devices and {} times with {} accumulation steps", *_scale()),
        Claim("by {:+.2f} points ({} %: {:+.2f} to {:+.2f}) over {} pairs of MiniLM",
              shift, LEVEL, low, high, pairs),
        Claim("inside the margin of {:g}", accumulation().delta),
        Claim("{} tiny cells ran {} times as fast as", 8, one),
        Claim("and {} times two at a time, on {} cores in {} repetitions", two, 2, 3),
        Claim("Python {} or newer", _python()),
        Declared("sizes of torch's wheels, rounded", "about 2 GB with torch's CPU build"),
        Claim("default wheel is built for CUDA {}", pinned("cuda-toolkit").rpartition(".")[0].rpartition(".")[0]),
        Declared("no figure but a word", "no cell is run twice"),
        Claim("{} published results ({} with accuracy or F1)", entries(), entries(scored=True)),
        Declared("a licence's name", "Apache-2.0"),
    ])  # fmt: skip


def footguns() -> Claimed:
    """docs/footguns.md."""
    shift, low, high, pairs = moved()
    steps, rest = divmod(TRAIN, 8)
    cells = "Cells at once"
    two, one = (numbers(cost(cells, row, "MiniLM, 10 steps"))[0] for row in ("2, 1 thread", "1, 2 threads"))
    cards = [points(name)[0] / 100 for name in ("card-antonioanerao", "card-jkassemi", "card-dariodematties")]
    flip = sign_flip([1.0, 2.0, 3.0, 4.0, 5.0])
    first = next(one for one in versions() if one.startswith("5."))
    return Claimed([
        Claim("(transformers {}; the weights come out equal)", TODAY),
        Claim("since transformers {}", first),
        Claim("{:+.2f} points ({} %: {:+.2f} to {:+.2f}) over {} pairs of MiniLM", shift, LEVEL,
              low, high, pairs),
        Declared("versions, as the issue that is linked names them", "**4.46 and 4.47 add gradients up undivided**",
                 "torch 2.13 refuses the random state of checkpoints of 4.45 and 4.46"),
        Declared("versions, as reports/transformers-history.md has them", "**Up to 4.51 two accumulated epochs",
                 "from 4.48 on an epoch's are counted",
                 "**4.49 gives callbacks neither"),
        Claim("{:,} = {} x {} + {}, so {} ranks see {} rows {} an epoch", TRAIN, steps, 8, rest, 2, 8 - rest, "twice"),
        Claim("with seed {}: {}, {}, {}.", 42, *(f"{value:.4f}".removeprefix("0") for value in cards)),
        Declared("the course's seed", "its head is random even at seed 42"),
        Declared("a process's exit status", "leaves with status 0"),
        Declared("what a device is called", "sets thread counts to 1", "`1gpu` is device 1, and a device named twice"),
        Claim("may be Python {}", _oldest_python()),
        Claim("the {} packages under test", word(len(SUBJECT))),
        Declared("arithmetic on nothing", "is 0/0 where all", "sd = 0 is INCONCLUSIVE"),
        Claim('"p > {}, so it reproduces" passes a loss of {} points** in {:.0f} % of simulations with {} seeds and sd '
              "{}".replace("\n", " "), f"{ALPHA:.2f}".removeprefix("0"), 3,
              100 - found('"Welch p > .05 is a pass"', "3", "FAIL at -3"), 3, 1.2),
        Claim("always has F1 {} on MRPC", f"{2 * POSITIVE / (EXAMPLES + POSITIVE):.2f}".removeprefix("0")),
        Claim("With {} seeds an exact sign-flip test cannot reject**: its least p is {:.0f}/{}", 5, flip.least_p * 32,
              32),
        Claim("bootstrap over {} to {} seeds** covers {:.0f} to {:.0f} %, not {} ({:,} samples", 3, 10,
              bootstrap_coverage(3),
              bootstrap_coverage(10), 95, SAMPLES),
        Claim("no slow-down of {:.0f} %**: sleepers wake late, and steps came out {:.1f} % slower", 100 * SLOWER,
              100 * (1 / speed_gate().shift - 1)),
        Claim("on {} cores two MiniLM cells of {} thread gave {} cells an hour, one of {} threads {}", 2, 1, two, 2,
              one),
        Declared("GitHub's own limits", "above 1 MiB", "beyond 10 of a type"),
    ])  # fmt: skip


def statistics() -> Claimed:
    """docs/statistics.md."""
    levels = [
        (*sequential.CALIBRATED[looks], *looks) if False else (sequential.CALIBRATED[looks], *looks) for looks in LOOKS
    ]
    rejects = [(a, b) for a in range(6) for b in range(a, 6) if compare_rates(a, 5, b, 5).p < ALPHA]
    assert rejects == [(0, 4), (0, 5), (1, 5)]
    assert not sign_flip([1.0] * 5).can_reject(ALPHA)
    assert sign_flip([1.0] * 6).can_reject(ALPHA)
    assert mcnemar(6, 0, EXAMPLES).can_reject(ALPHA)
    bare = f"{ALPHA:.2f}".removeprefix("0")
    return Claimed([
        Declared("a unit", "in points (100 × fraction)"),
        Declared("a heading", "## Three words"),
        Claim("PASS where p_tost < α = {}: the {:.0f} % interval", ALPHA, 100 * (1 - 2 * ALPHA)),
        Claim("fewer than {} runs ({} against a reference where other cells", variance.LEAST,
              variance.LEAST_WITH_HISTORY),
        Claim("{:g} times the sd of the reference's own runs to the nearest {:g} points", margin.automatic(100) / 100,
              margin.STEP),
        Claim("a spread {:g} points of accuracy ({} of MRPC's {} examples) or {:g} of F1; {:g} between",
              margin.DEFAULT["accuracy"], word(round(margin.DEFAULT["accuracy"] * EXAMPLES / 100)), EXAMPLES,
              margin.DEFAULT["f1"], margin.PARITY),
        Claim("d₀ at most {:g}", variance.MOST_HISTORY),
        Claim("above the {:.0f} % point of F", 100 * variance.GUARD),
        Claim("p < {})", f"{variance.LEVENE:g}".removeprefix("0")),
        Claim("correlate by more than {:g}", variance.SHARED),
        Claim("within a factor of {:g}", SIMILAR),
        Claim("as one run and as the best of {}", LUCKY),
        Claim("The best of {} lies {:.2f} sd above the mean", LUCKY, expected(LUCKY, LUCKY)),
        Claim("{} pairs cannot reject at {} and {} can", 5, bare, 6),
        Claim("rejects at {} runs a side only {} against {}, {} against {} and {} against {}", 5, 0, 4, 1, 5, 0, 5),
        Claim("The declared rate is {:g} %", 100 * stability.STABLE),
        Claim("each with {} of α", {0.5: "half"}[family.PART]),
        Claim("Looking at {}, {}, {} and {} runs with {} each time is no test at {}", *LOOKS[0], bare, bare),
        Claim("{} (looks at {}, {}, {}, {}), {} ({}, {}, {}) or {} ({}, {})",
              *(one for level in levels for one in level)),
        Claim("adjusted p < {} in both questions", bare),
        Claim("Equivalent: the {:.0f} % interval", 100 * (1 - 2 * ALPHA)),
        Claim("Fewer than {} runs on a side", LEAST_COMPARED),
        Claim("at least {} pairs, A B B A", throughput.PAIRS),
        Claim("a {:.0f} % t interval", 100 * (1 - 2 * ALPHA)),
        Claim("({:.0f} % by default)", 100 * throughput.MARGIN),
        Claim("the slow-down found with {:.0f} % power", 100 * throughput.POWER),
        Claim("the session is the unit, at least {},", throughput.SESSIONS),
        Claim("the smallest true difference found with {:.0f} % power", 100 * power.POWER),
        Declared("the default of planning_sd", "(`planning_sd`, 80 %)"),
        Claim("to {} over {} steps in fp32", f"{RELATIVE['fp32']:.0e}".replace("e-0", "e-"), FP32_STEPS),
        *_citations(text("docs/statistics.md")),
    ])  # fmt: skip


def _citations(page: str) -> list[Declared]:
    """The bibliography, and each name and year in the text that is in it."""
    _, _, sources = page.partition("## Sources\n")
    lines = [line for line in sources.splitlines() if line]
    names = [
        "Schuirmann 1987", "Smyth 2004", "Brown and Forsythe 1974", "Crawford and Howell 1998", "Welch (1938)",
        "Mosbach et al. 2021", "Clopper and Pearson's (1934)", "Holm (1979)", "Tarone 1990",
        "Hommel and Krummenauer 1998", "Berger 1982", "Satterthwaite (1946)",
    ]  # fmt: skip
    for name in names:
        first, year = name.split()[0], name.strip(")").rpartition("(")[2].split()[-1]
        assert first in sources, name
        assert year in sources, name
    return [Declared("bibliography", *lines), Declared("cited in Sources", *names)]


def cost_page() -> Claimed:
    """reports/harness-cost.md."""
    loop, watching = "A grid against a shell loop", "Watching a run"
    one, two = (
        numbers(cost(loop, row, "faster than the loop, wall"))[0]
        for row in ("`harness run --slots 1`", "`harness run`, 2 cells at a time")
    )
    mini = "MiniLM, 22.7M parameters"
    big, _, low, high = numbers(cost(watching, mini, "CPU time a step"))
    pairs = cost(watching, mini, "pairs")
    when = "2026-11-22"
    return Claimed([
        Claim("{} tiny cells run {} times as fast", 8, one),
        Claim("and {} times two at a time, in {} repetitions on {} cores", two, 3, 2),
        Claim("watching a run adds less than {} % CPU time to a step of MiniLM: -{} % ({} %: -{} to +{}) in {} pairs",
              2, big, 95, low, high, pairs),
        Claim("Measured {} on {} cores (Intel Xeon, virtual machine), watching {} on {} of an AMD EPYC", when, 2,
              "2026-11-29", 2),
        Claim("torch {}+cpu, transformers {}", pinned("torch"), TODAY),
        Claim("Both intervals for MiniLM exclude {} % of CPU time and hold {}", 2, 0),
        Claim("the newer estimate is below {} is", 0),
        Claim("the older interval excludes {} and holds {} %, the newer holds {}", 0, 2, 0),
        Declared("the design of a measurement, as it was run", "8 cells of `embedded/tiny-bert`, 20 steps each",
                 "from a cold start, 3 repetitions side by side", "once instead of eight times",
                 "6 cells of the 22.7M-parameter MiniLM", "20 steps each, 2 repetitions side by side",
                 "load 3 to 5 on 2 cores", "others below 0.1 cores", "2026-11-22 in 8 pairs of one process",
                 "load 3.5 to 4", "on 2026-11-29 on an AMD EPYC in 18 pairs of 3 processes",
                 "Records of real size (1,377 steps)"),
    ], REPORTS / "harness-cost-kept.json")  # fmt: skip


def course_page() -> Claimed:
    """reports/course-claims.md."""
    return Claimed(course.claims(), REPORTS / "course-claims-kept.json")


def _scale() -> tuple[int, int, int, int]:
    """Of the loss and gradient on 2 devices, and with 4 accumulation steps: each as the report's verdicts have it."""
    verdicts = read(REPORTS / "invariants-transformers-5.23.0.json")["verdicts"]
    seen = [fact["values"] for one in verdicts for fact in one["reason"]["values"].get("found", ())]
    for factor, kind in ((2, "devices"), (4, "accumulation")):
        norms = [fact["ratio"] for fact in seen if (fact.get("item"), fact.get("kind")) == ("gradient norm", kind)]
        assert norms[0] == pytest.approx(factor, rel=1e-5)
    return 2, 2, 4, 4


def _python() -> str:
    return numbers(text("pyproject.toml").partition("requires-python")[2].splitlines()[0])[0]


def _oldest_python() -> str:
    target = text("pyproject.toml").partition('"harness/subject/**" = "py')[2].partition('"')[0]
    return f"{target[0]}.{target[1:]}"


CLAIMED: Final = {
    **DOCS,
    Path("README.md"): readme,
    Path("docs/footguns.md"): footguns,
    Path("docs/statistics.md"): statistics,
    Path("reports/harness-cost.md"): cost_page,
    Path("reports/course-claims.md"): course_page,
}
"""The pages that are written by hand."""
