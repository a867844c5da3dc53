"""The figures of reports/course-claims.md, worked out again from the registry as its script A does."""

from __future__ import annotations

import math
import re
from collections import Counter

from harness.references import find
from harness.stats import collapse, decision, margin, power, reference, variance
from harness.stats.descriptive import rate
from harness.stats.t import quantile
from tests.published.backing import Claim, Declared
from tests.published.sources import pinned, points, text, versions

SAMPLE, COURSE, LOOP, CASED = (
    "replication-course-uncased", "hf-course-ch3", "hf-course-ch3-loop", "replication-course-cased",
)  # fmt: skip
EXAMPLES, POSITIVE = sum(collapse.MRPC), collapse.MRPC[1]
SEEDS = 5


def claims() -> list[Claim | Declared]:
    """In the order of the page."""
    mine = {metric: points(SAMPLE, metric) for metric in ("accuracy", "f1")}
    of = {metric: variance.sample(values) for metric, values in mine.items()}
    (accuracy,), (f1,) = points(COURSE), points(COURSE, "f1")
    published = {"accuracy": accuracy, "f1": f1}
    z = {metric: (published[metric] - of[metric].mean) / _sd(of[metric]) for metric in mine}
    places = {metric: _place(mine[metric], published[metric]) for metric in mine}
    new = {metric: _new_run(of[metric]) for metric in mine}
    single, many = power.Design("single"), power.Design("mean", m=25)
    sds = {metric: _sd(of[metric]) for metric in mine}
    finds = {metric: power.detectable(many, SEEDS, sd) for metric, sd in sds.items()}
    alone = power.detectable(single, SEEDS, sds["accuracy"])
    never = {metric: power.limit_of_detection(single, sd) for metric, sd in sds.items()}
    said = decision.decide(
        reference.single(of["accuracy"], accuracy), decision.Rule(margin.automatic(sds["accuracy"], "accuracy"))
    )
    assert said.outcome == "PASS"
    cased = {
        metric: decision.decide(
            reference.published_sample(variance.sample(points(CASED, metric)), mine[metric]), decision.Rule(2.5)
        )
        for metric in mine
    }
    right = sum(round(value * EXAMPLES / 100) == 350 for value in mine["accuracy"])
    status = Counter(
        re.findall(r"^\| \d+ \|.*?\| (measured|from sources|open) \|", text("reports/course-claims.md"), re.M)
    )
    (loop,) = points(LOOP)
    below, equal, above = _place(mine["accuracy"], loop)
    lost = rate(0, 25)
    first_steps = _steps()
    five = next(one for one in versions() if one.startswith("5."))
    n = len(mine["accuracy"])
    return [
        Claim("Of {} claims in chapter {} of the course, {} are measured here, {} stand or fall by published "
              "numbers and {} "
              "are open", status.total(), 3, status["measured"], status["from sources"], status["open"]),
        Claim("accuracy {:.2f} and F1 {:.2f} is an ordinary run ({:+.2f} and {:+.2f} sd among {} fresh public ones)",
              accuracy, f1, z["accuracy"], z["f1"], n),
        Claim("the comparison with BERT's {:.1f}", points("bert-paper-table1-base", "f1")[0]),
        Claim("in transformers {} to {}.", five, pinned("transformers")),
        Declared("when and where the course was read", "Read 2026-11-22: sections [2](", "[3](", "[4](", "[5]("),
        Claim("mean {:.2f}, sd {:.2f}, {:.2f} to {:.2f}; F1 {:.2f}, sd {:.2f}, {:.2f} to {:.2f}", of["accuracy"].mean,
              sds["accuracy"], min(mine["accuracy"]), max(mine["accuracy"]), of["f1"].mean, sds["f1"], min(mine["f1"]),
              max(mine["f1"])),
        Claim("the accuracy has {} below, {} equal, {} above ({:+.2f} sd)", *places["accuracy"], z["accuracy"]),
        Claim("the F1 {} below, {} above ({:+.2f} sd)", places["f1"][0], places["f1"][2], z["f1"]),
        Claim("{} seeds against the {} runs find a true difference of {:.2f} points (F1 {:.2f}) with {:.0f} % "
              "power; against "
              "the course's one run alone, {:.2f}", SEEDS, n, finds["accuracy"], finds["f1"], 100 * power.POWER, alone),
        Claim("{} of {} *uncased* runs have a validation F1 of {} or more", sum(one >= 88.9 for one in mine["f1"]), n,
              88.9),
        Claim("lie {:.2f} points of accuracy lower ({} % {:+.2f} to {:+.2f}) and {:.2f} of F1 ({:+.2f} to {:+.2f})",
              -cased["accuracy"].difference, 95, *_ci(cased["accuracy"]), -cased["f1"].difference, *_ci(cased["f1"])),
        Claim("a range of {:.2f} points (F1 {:.2f}), one new run is expected in {:.2f} to {:.2f} (F1 {:.2f} to "
              "{:.2f}) at {} %",
              max(mine["accuracy"]) - min(mine["accuracy"]), max(mine["f1"]) - min(mine["f1"]), *new["accuracy"],
              *new["f1"], 95),
        Claim("{} of {}, {} % interval {:.0f} to {:.1f} %", lost.k, lost.n, 95, lost.low, 100 * lost.high),
        Claim("n = {} of the {} public runs print the first, {:.3f} (sd {:.3f}), {:.3f} to {:.3f}", first_steps.n, n,
              first_steps.mean, _sd(first_steps), *_range()),
        Claim("It prints {:.2f} / {:.2f} (`hf-course-ch3-loop`): {:.2f} points lower, and still an ordinary draw: "
              "{} below, {} "
              "equal, {} above of the {} ({:+.2f} sd)", loop, points(LOOP, "f1")[0], accuracy - loop, below, equal,
              above, n,
              (loop - of["accuracy"].mean) / sds["accuracy"]),
        Claim("The seeds' sd is {:.2f} points ({} % of new runs in {:.2f} to {:.2f})", sds["accuracy"], 95,
              *new["accuracy"]),
        Claim("neither confirms nor refutes {:.2f}", accuracy),
        Claim("finds a true difference below {:.1f} points (F1 {:.1f}) with {:.0f} % power; {} seeds find {:.1f}.",
              never["accuracy"], never["f1"], 100 * power.POWER, SEEDS, alone),
        Claim("Against the {} runs {} seeds find {:.1f}", n, SEEDS, finds["accuracy"]),
        Claim("The mean of the {} lies {:.2f} points below the course's run (PASS at the margin of {:g}", n,
              -said.difference,
              said.delta),
        Claim("{} of {} runs have {} right answers", right, n, 350),
        Claim("the same {} pairs. Their own standard error is {:.2f} points (√(p({} − p)/{}) at p = {}/{})", EXAMPLES,
              100 * math.sqrt(350 / 408 * 58 / 408 / 408), 1, EXAMPLES, 350, EXAMPLES),
        Claim("everything gives {:.2f} and F1 {:.2f}", 100 * POSITIVE / EXAMPLES,
              200 * POSITIVE / (EXAMPLES + POSITIVE)),
        Claim("print {}, which is {:,} positions", 405114969714960, _positions(405114969714960)),
        Claim("print {}, {:,}.", 405470580750720, _positions(405470580750720)),
        Claim("{} × (parameters without embeddings)", 6),
        Declared("what script B prints with MRPC's files", "Script B has 788,348 and 789,040 for the orders that "
                 "seed 42 gives",
                 "None of 100 other seeds", "The 16 positions are the same in both"),
        Declared("the runs that are named, and their version", "Three published runs (`log-46773064570`",
                 "three of transformers 4.9 or thereabouts"),
        Declared("words of the course", "8-bit Adam", "the healthy curves of §5", "half a minute of one core"),
    ]  # fmt: skip


def _sd(one: variance.Sample) -> float:
    assert one.sd is not None
    return one.sd.value


def _new_run(of: variance.Sample) -> tuple[float, float]:
    """Where one more run is expected, at 95 %."""
    half = quantile(0.975, of.n - 1) * _sd(of) * math.sqrt(1 + 1 / of.n)
    return of.mean - half, of.mean + half


def _ci(said: decision.Decision) -> tuple[float, float]:
    assert said.ci95 is not None
    return said.ci95


def _place(runs: list[float], value: float) -> tuple[int, int, int]:
    """How many runs lie below a value, on it to half a unit of four decimals, and above."""
    below, equal = sum(run < value - 0.006 for run in runs), sum(abs(run - value) <= 0.006 for run in runs)
    return below, equal, len(runs) - below - equal


def _first_losses() -> list[float]:
    members = [find(name) for name in find(SAMPLE).members or ()]
    values = [one.metrics["train_loss_step_500"].value for one in members if "train_loss_step_500" in one.metrics]
    return [value for value in values if value is not None]


def _steps() -> variance.Sample:
    return variance.sample(_first_losses())


def _range() -> tuple[float, float]:
    return min(_first_losses()), max(_first_losses())


def _positions(flos: int) -> int:
    """Padded positions that a count of operations stands for: 6 × (bert-base-uncased without embeddings) each."""
    inner = 109_483_778 - (30_522 + 512 + 2) * 768
    assert flos % (6 * inner) == 0
    return flos // (6 * inner)
