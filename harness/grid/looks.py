"""Planned looks: how many seeds a configuration gets before it is judged, and which seeds those are."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.errors import SpecError
from harness.text import listed, show

KEYS: Final = ("looks", "list")
FIRST_SEED: Final = 1000
MOST_LOOKS: Final = 10
MOST_SEEDS: Final = 1000
MAX_SEED: Final = 2**32 - 1


@dataclass(frozen=True)
class SeedPlan:
    """`looks`: rising numbers of runs at which a configuration may be judged; `seeds`: in the order of their use.

    Seeds are fixed before the first run: a collapsed one is counted, never replaced by a luckier one.
    """

    looks: tuple[int, ...]
    seeds: tuple[int, ...]


def read_seed_plan(value: Any, where: str) -> SeedPlan:
    """Read `seeds = { looks = [3, 5], list = [42, 1, 2, 3, 4] }`; without a list the seeds are 1000, 1001, ...

    Raises
    ------
    SpecError
        Naming the field, the value and what is allowed.
    """
    if not isinstance(value, dict):
        allowed = "a table: { looks = [3, 5, 7, 10], list = [...] }; a plain list of seeds is the axis `seed`"
        raise SpecError(f"{where}: got {show(value)}; allowed {allowed}")
    for key in value:
        if key not in KEYS:
            raise SpecError(f"{where}.{key}: got {show(value[key])}; not a key here; allowed {listed(KEYS)}")
    looks: list[int] = value.get("looks", [])
    if not _whole(looks, 2, MOST_SEEDS) or any(b <= a for a, b in itertools.pairwise(looks)):
        raise SpecError(
            f"{where}.looks: got {show(looks)}; allowed a list of rising numbers of runs from 2, such as [3, 5]"
        )
    if len(looks) > MOST_LOOKS:
        raise SpecError(f"{where}.looks: got {len(looks)} looks; allowed at most {MOST_LOOKS}")
    seeds: list[int] = value.get("list", list(range(FIRST_SEED, FIRST_SEED + looks[-1])))
    if not _whole(seeds, 0, MAX_SEED) or len(set(seeds)) != len(seeds):
        raise SpecError(f"{where}.list: got {show(seeds)}; allowed a list of integers from 0 to {MAX_SEED}, each once")
    if len(seeds) < looks[-1]:
        raise SpecError(f"{where}.list: got {len(seeds)} seeds; allowed at least {looks[-1]}, the last look")
    return SeedPlan(tuple(looks), tuple(seeds[: looks[-1]]))


def due(seeds: Sequence[int], looks: Sequence[int], ended: Collection[int], decided: bool = True) -> Sequence[int]:
    """Which of a configuration's `seeds`, in the order of their use, are due, given those that have ended.

    Those of its first look that has not ended; once it is `decided`, and for who only judges what there is, no further
    than the last look that has. Without looks, all.
    """
    if not looks:
        return seeds
    reached = 0
    for look in looks:
        if any(seed not in ended for seed in seeds[:look]):
            return seeds[: reached if decided and reached else look]
        reached = look
    return seeds[:reached]


def _whole(values: Any, low: int, high: int) -> bool:
    """Whether it is a list of at least one integer in a range."""
    return (
        isinstance(values, list)
        and bool(values)
        and all(isinstance(one, int) and not isinstance(one, bool) and low <= one <= high for one in values)
    )
