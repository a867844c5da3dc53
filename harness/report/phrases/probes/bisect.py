"""What releases came to when they were probed, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from harness.report.phrases.diff import bare, name, ratio_text, shown
from harness.report.phrases.recipe import many
from harness.text import listed

MOST: Final = 4
_FIELDS: Final[Mapping[str, str]] = {"bits": "losses to the last bit"}


def field_text(field: str) -> str:
    """A field as people call it."""
    from harness.checks.verify.series import NAMES  # numpy is slow to import, and few commands say this

    return _FIELDS.get(field) or bare(NAMES.get(field, name(field)))


def _done(
    package: str, on: Sequence[str], since: str, until: str, releases: int, probed: int, errors: int, left: int,
    changes: Sequence[Mapping[str, Any]], seconds: float,
) -> str:  # fmt: skip
    asked = listed(list(on), 4) if on else "every quick check and a short run"
    found = listed([step_text(one) for one in changes], 12) if changes else "none seen"
    text = (
        f"{package} {since} to {until}, {asked}: {many(len(changes), 'change')}: {found}"
        if changes
        else (f"{package} {since} to {until}, {asked}: no change seen between probed releases")
    )
    tried = f"; {probed} of {many(releases, 'release')} probed"
    tried += f", {errors} could not be" if errors else ""
    tried += f", {left} still to probe" if left else ""
    rest = "; no change seen between other probed releases" if changes and not left else ""
    return f"{text}{tried}{rest}"


def step_text(one: Mapping[str, Any]) -> str:
    """`4.45.2 -> 4.46.0`, with what lies between and could not be probed."""
    untold = f" ({listed(one['untold'], MOST)} between could not be probed)" if one["untold"] else ""
    return f"{one['a']} -> {one['b']}{untold}"


def _fail(items: Mapping[str, float | None], upstream: str | None) -> str:
    parts = [f"{bare(item)}{f' {ratio_text(ratio)}' if ratio is not None else ''}" for item, ratio in items.items()]
    return f"FAIL: {listed(parts, MOST)}{f' ({upstream})' if upstream else ''}"


def _release(
    version: str, state: str, yanked: str | None, uploaded: str | None, packages: Mapping[str, str],
    fields: Mapping[str, Any], error: str | None,
) -> str:  # fmt: skip
    words = {"told": "probed", "left": "not probed", "error": f"could not be probed: {error}"}
    return f"{version}{'' if yanked is None else ' (yanked)'}: {words[state]}"


BISECT: Final[Mapping[str, str | Callable[..., str]]] = {
    "bisect.done": _done,
    "bisect.planned": lambda package, releases, first, all: (
        f"{package}: {many(releases, 'release')} in all; first {', '.join(first)}"
        + ("" if all else "; then every release between neighbours that differ")
    ),
    "bisect.release": _release,
    "bisect.change": lambda item, a, b: f"{field_text(item)}: {shown(a)} -> {shown(b)}",
    "bisect.pass": "PASS",
    "bisect.fail": _fail,
    "bisect.untold": lambda outcome, why: f"{'error' if outcome == 'ERROR' else 'not available'}: {why}",
    "bisect.series": lambda first, last, steps: f"{first:.6g} at step 0, {last:.6g} at step {steps - 1}",
    "bisect.unbuilt": "its environment cannot be built: {error}",
    "bisect.failed": "{error}",
    "bisect.nothing": "none of what was asked about can be told of it",
}
