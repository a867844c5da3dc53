"""Which releases are probed next, given what was seen. Pure: nothing here runs, resolves or reads anything.

Behaviour need not be monotone, so that halving would miss what came and went: the last patch of every minor is probed
first, then every release between neighbours that differ. A release that could not be probed says nothing: it is neither
equal to its neighbours nor different, and another patch of its minor stands in for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Differ = Callable[[str, str], bool]
"""Whether two releases that were probed came to something else."""


@dataclass(frozen=True)
class Step:
    """Two neighbours among what could be probed, which differ; `untold` lie between them and could not be."""

    a: str
    b: str
    untold: tuple[str, ...] = ()


def due(
    releases: Sequence[str],
    told: Mapping[str, bool],
    differ: Differ,
    *,
    group: Callable[[str], object] | None = None,
    exhaustive: bool = False,
) -> list[str]:
    """The releases to probe next, in their order; nothing where all is known that these rules ask for.

    Parameters
    ----------
    releases
        All that could be probed, the oldest first.
    told
        What was probed; False where it could not be.
    differ
        Asked only of releases that are told.
    group
        What a release is a patch of. None (commits): the ends first, then halfway between neighbours that differ.
    exhaustive
        Probe every one.
    """
    if exhaustive:
        return [one for one in releases if one not in told]
    wanted = _first(releases, told, group)
    known = _told(releases, told)
    for a, b in itertools.pairwise(known):
        between = [one for one in releases[a + 1 : b] if one not in told]
        if between and differ(releases[a], releases[b]):
            wanted |= set(between if group is not None else [between[len(between) // 2]])
    return [one for one in releases if one in wanted]


def steps(releases: Sequence[str], told: Mapping[str, bool], differ: Differ) -> list[Step]:
    """Where something changed: neighbours that differ, with what lies between them and was not told."""
    known = _told(releases, told)
    return [
        Step(releases[a], releases[b], tuple(releases[a + 1 : b]))
        for a, b in itertools.pairwise(known)
        if differ(releases[a], releases[b])
    ]


def _first(releases: Sequence[str], told: Mapping[str, bool], group: Callable[[str], object] | None) -> set[str]:
    """What is probed whatever is found: both ends, and the last patch of every minor that can be probed."""
    wanted = set(releases[:1]) | set(releases[-1:])
    patches: dict[object, list[str]] = {}
    for one in releases if group is not None else ():
        assert group is not None
        patches.setdefault(group(one), []).append(one)
    for every in patches.values():
        tried = [one for one in every if one in told]
        if not any(told[one] for one in tried):
            wanted |= set([one for one in every if one not in told][-1:])
    return {one for one in wanted if one not in told}


def _told(releases: Sequence[str], told: Mapping[str, bool]) -> list[int]:
    return [at for at, one in enumerate(releases) if told.get(one)]
