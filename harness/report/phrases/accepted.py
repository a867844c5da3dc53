"""How an accepted file and another side differ, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from harness.report.format.metrics import metric_word
from harness.report.format.numbers import points, signed, trimmed
from harness.report.phrases.diff import MOST, idle_text, why
from harness.report.phrases.recipe import many
from harness.report.phrases.verify import FEW
from harness.text import listed

KEPT: Final = "nothing that an accepted file keeps says"


def _score(
    item: str, seeds: int, paired: bool, a: float, b: float, difference: float, interval: Sequence[float] | None,
) -> str:  # fmt: skip
    at = many(seeds, "seed") if paired else "other seeds on each side"
    text = f"{metric_word(item)} {points(a)} -> {points(b)}, {signed(difference)} points at {at}"
    return text if interval is None else f"{text} (90 % interval {signed(interval[0])} to {signed(interval[1])})"


def _kept(
    state: str, seeds: int, alike: bool, score: str | None, margin: float, parts: str | None, unseen: Sequence[str],
    moved: Sequence[str], causes: Sequence[str], idle: Sequence[str],
) -> str:  # fmt: skip
    at, within, reason = many(seeds, "seed"), f"within {trimmed(margin)} points", why(causes, KEPT)
    first = f"; first difference: {parts}" if parts else ""
    if state == "identical":
        return f"identical to the last bit at {at}, by hashes and scores{idle_text(idle)}"
    if state == "equal" and parts is None:
        return (
            f"equal in every score at {at}; to the last bit is not known, without {listed(unseen, MOST)} on both sides"
        )
    if state == "equal":
        size = f"in every score at {at}" if alike else f"{within}: {score}"
        return f"equal {size}, not bit for bit{first}{reason}"
    if state == "different" and alike and parts:
        return f"different in {parts}, though no score shows it{reason}"
    if state == "different":
        found = "; ".join([*moved[:MOST], *([score] if score else [])])
        what = f"in scores: {found}" if found else "in what was trained"
        return f"different {what}{first}{reason}"
    others = f"; what differs: {listed(causes, MOST)}" if causes else ""
    if alike and seeds:
        return (
            f"unknown: equal scores at {at} prove no equal runs, without {listed(unseen, MOST)} on both sides{others}"
        )
    if score is None:
        return f"unknown: no seed has a score to compare{others}"
    return f"unknown: {score}: not shown to be equal {within}, nor to differ{others}"


ACCEPTED: Final[Mapping[str, str | Callable[..., str]]] = {
    "diff.kept.score": _score,
    "diff.kept": _kept,
    "diff.kept.seeds": lambda lost, others: f"missing {'; '.join(lost)}; at the others {others}",
    "diff.kept.lost": lambda side, seeds, runs: (
        f"seed{'' if len(seeds) == 1 else 's'} {listed(seeds, FEW)} in {side}{f' ({runs})' if runs else ''}"
    ),
    "diff.kept.missing": lambda side, runs: f"missing in {side}{f': {runs}' if runs else ''}",
    "diff.kept.place": lambda changes, configurations: (
        f"environment of {listed(configurations, FEW)}: {'; '.join(changes)}"
    ),
    "diff.kept.evaluation": "the evaluation: the final weights are the same",
    "diff.kept.content": lambda before, after, what=(): (
        f"{listed(what, FEW)} {'is another' if len(what) == 1 else 'are others'}"
        if what
        else f"another checkpoint, other data or other code ({before:.8} -> {after:.8})"
    ),
}
