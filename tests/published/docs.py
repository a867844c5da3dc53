"""What stands behind the figures of the pages of `docs/` that say what a command does."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.statistics_gate import LOSS, NAIVE, SEEDS
from benchmarks.statistics_grid import Shape
from benchmarks.throughput_study import SLOWER
from harness.checks.verify.series import FP32_STEPS, RELATIVE
from harness.grid.tables import Throughput
from harness.pipelines.keep.prune import SESSIONS as KEPT_SESSIONS
from harness.record.model import MAX_BYTES
from harness.stats import throughput
from harness.stats.descriptive import rate
from harness.stats.reference import LUCKY
from tests.published.backing import Claim, Claimed, Declared
from tests.published.sources import entries, gate, numbers, pinned, share, speed_gate, word

TODAY: Final = pinned("transformers")
CODE: Final = "an exit code: docs/exit-codes.md has them all"


def verify() -> Claimed:
    """docs/verify.md."""
    return Claimed([
        Declared("an invariant by its name", "on 2 devices, in a plain PyTorch loop", "the same cell twice"),
        Declared(CODE, "[the exit code](exit-codes.md) is 1"),
    ])  # fmt: skip


def loss_changed() -> Claimed:
    """docs/loss-changed.md."""
    return Claimed([
        Declared("two runs of one example, shown with what is printed of them",
                 "a batch of 8 and the same one accumulated as 2 x 4"),
        Claim("(transformers {}):", TODAY),
        Declared("the three that are named then", "There are three states"),
        Claim("within the tolerance ({} for {} steps of fp32", f"{RELATIVE['fp32']:.0e}".replace("e-0", "e-"),
              FP32_STEPS),
        Declared(CODE, "[The exit code](exit-codes.md) is 0, 0 and 1; 4 where a run has no"),
    ])  # fmt: skip


def scores() -> Claimed:
    """docs/scores.md."""
    alarm, caught = share(gate().false_alarm), share(gate().caught)
    return Claimed([
        Claim("{} published results, {} with a score", entries(), entries(scored=True)),
        Claim("the best of {})", word(LUCKY)),
        Claim("Over {} clean configurations with their twins, {} seeds each", Shape().size, SEEDS),
        Claim("alarm in {:.1f} % of {} simulated grids ({:.0f} %: {:.1f} to {:.1f})", 100 * alarm.k / alarm.n, alarm.n,
              95, 100 * alarm.low, 100 * alarm.high),
        Claim("a loss of {:g} points in one of them in {:.1f} % ({:.1f} to {:.1f})", -LOSS, 100 * caught.k / caught.n,
              100 * caught.low, 100 * caught.high),
        Claim("a fixed ±{} point raised a false alarm in {:.0f} %", numbers(NAIVE[0])[0],
              100 * share(gate().naive_alarm[NAIVE[0]]).k / alarm.n),
    ])  # fmt: skip


def nightly() -> Claimed:
    """docs/nightly.md."""
    return Claimed([
        Declared(CODE, "judged nothing ends with 5", "red again (exit 1)", "(exit 4) when the disk"),
        Declared("an example of a head", '"waivers: 1 used, 1 unused, 1 expired"'),
        Claim("at most {} KB", MAX_BYTES // 1024),
        Claim("the last {} timing sessions", KEPT_SESSIONS),
    ])  # fmt: skip


def speed() -> Claimed:
    """docs/speed.md."""
    aa, planted = speed_gate(), speed_gate().slower
    measured, slow = aa.still["measured: 5 pairs in a row"], planted["measured: the next 5 quiet pairs"]
    of = sum(measured.values())
    return Claimed([
        Claim("Of {} comparisons of identical code {} failed ({:.0f} %: at most {:.1f} % would)", of, measured["FAIL"],
              95, 100 * rate(measured["FAIL"], of).high),
        Claim("and {} of {} found a planted slow-down, meant to be {:.0f} % and measured to be {:.1f} %", slow["FAIL"],
              sum(slow.values()), 100 * SLOWER, 100 * (1 / aa.shift - 1)),
    ])  # fmt: skip


def history() -> Claimed:
    """docs/history.md."""
    return Claimed([
        Claim("at most {} and at least {}", throughput.MOST_SESSIONS, throughput.SESSIONS),
        Declared(CODE, "exit code `3`"),
        Declared("a name", "python3 -m pip"),
    ])  # fmt: skip


def upgrade() -> Claimed:
    """docs/upgrade.md."""
    return Claimed([
        Claim("`[throughput]` of the grid, else {} pairs", Throughput().processes),
        Declared("a version as an example", 'a version ("3.12")'),
    ])  # fmt: skip


DOCS: Final = {
    Path("docs/verify.md"): verify,
    Path("docs/loss-changed.md"): loss_changed,
    Path("docs/scores.md"): scores,
    Path("docs/nightly.md"): nightly,
    Path("docs/speed.md"): speed,
    Path("docs/history.md"): history,
    Path("docs/upgrade.md"): upgrade,
}
