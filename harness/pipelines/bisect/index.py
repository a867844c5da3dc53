"""What there is to probe: the releases that the index lists, with the yanked ones; or the commits of a checkout."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from harness.checks.releases.history import Release
from harness.errors import RequirementError, SpecError
from harness.execution.environments.uv import pip_configured
from harness.program import ask
from harness.text import listed, one_line, show, suggestion

ASKED_S: Final = 180.0
JSON: Final = "application/vnd.pypi.simple.v1+json"
_LISTED: Final = "Available versions:"
_DEFAULT: Final = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
"""Asks pip for the index that it takes where it is configured for none."""


def releases(package: str, since: str, until: str, *, before: bool = False) -> list[Release]:
    """The releases of a package from `since` to `until`, both among them, the oldest first.

    Pre-releases are left out unless `before`, or an end is one. Which are withdrawn and when each came is told where
    the index says it.

    Raises
    ------
    HarnessError
        SpecError for an end that is none of them, RequirementError where the index does not answer.
    """
    name = canonicalize_name(package)
    low, high = (_version(text, option) for text, option in ((since, "--from"), (until, "--to")))
    if low >= high:
        raise SpecError(f"--to: got {show(until)}; allowed a release after {since}")
    told = _told(name)
    # pip leaves withdrawn ones out of its list.
    known = {**{version: str(version) for version in told}, **{Version(text): text for text in _versions(name)}}
    for version, option, text in ((low, "--from", since), (high, "--to", until)):
        if version not in known:
            every = [known[one] for one in sorted(known) if not one.is_prerelease]
            near = [one for one in every if Version(one).release[:2] == version.release[:2]] or every
            raise SpecError(
                f"{option}: got {show(text)}; allowed a release of {name} that the index lists: {listed(near, 12)}"
                f"{suggestion(text, every)}"
            )
    chosen = [
        one for one in sorted(known) if low <= one <= high and (before or not one.is_prerelease or one in (low, high))
    ]
    return [
        Release(known[one], f"{name}=={known[one]}", *told.get(one, (None, None)), f"{one.major}.{one.minor}")
        for one in chosen
    ]


def commits(package: str, checkout: Path, since: str, until: str) -> list[Release]:
    """The commits of a checkout from `since` to `until`, both among them, along the first parents, the oldest first.

    Raises
    ------
    SpecError
        Where it is no checkout, an end is no commit of it, or they do not follow on each other.
    """
    where = checkout.resolve()
    ends = []
    for text, option in ((since, "--from"), (until, "--to")):
        found = _git(where, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}")
        if found is None:
            raise SpecError(f"{option}: got {show(text)}; allowed a commit of {checkout}")
        ends.append(found.strip())
    said = _git(where, "log", "--first-parent", "--reverse", "--format=%H %cs", f"{ends[0]}..{ends[1]}")
    rows = [line.split() for line in (said or "").splitlines()]
    if not rows or _git(where, "merge-base", "--is-ancestor", *ends) is None:
        raise SpecError(f"--to: got {show(until)}; allowed a commit after {since}, of which it is an ancestor")
    day = (_git(where, "log", "-1", "--format=%cs", ends[0]) or "").strip()
    name = canonicalize_name(package)
    return [
        Release(commit[:12], f"{name} @ git+{where.as_uri()}@{commit}", uploaded=date)
        for commit, date in [(ends[0], day), *((row[0], row[1]) for row in rows)]
    ]


def _version(text: str, option: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise SpecError(f"{option}: got {show(text)}; allowed a version, such as 4.45.2") from None


def _versions(name: str) -> list[str]:
    """What pip, as it is configured here, lists of a package."""
    # Its JSON came with pip 25.1, and a fresh environment of Python 3.11 has an older one.
    command = [sys.executable, "-m", "pip", "index", "versions", name, "--pre"]
    try:
        done = ask(command, ASKED_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise RequirementError(f"{name}: `pip index versions` does not answer: {one_line(str(error))}") from error
    line = next((one for one in done.stdout.splitlines() if one.startswith(_LISTED)), "")
    found = [text.strip() for text in line.removeprefix(_LISTED).split(",") if text.strip()]
    if done.returncode or not found:
        last = re.sub(r"\S+://\S+", "the index", (done.stderr.strip().splitlines() or ["nothing"])[-1])
        raise RequirementError(f"{name}: the index lists no release; pip says: {one_line(last)}")
    return found


def _told(name: str) -> Mapping[Version, tuple[str | None, str | None]]:
    """Of each release the reason for which it was withdrawn, and its day, as far as the index has the JSON form."""
    try:
        configured = pip_configured()
        index = configured.get("index-url") or ask([sys.executable, "-c", _DEFAULT], ASKED_S).stdout.strip()
        if not index.startswith(("https://", "http://")):
            return {}
        request = urllib.request.Request(f"{index.rstrip('/')}/{name}/", headers={"Accept": JSON})
        trusted = ssl.create_default_context(cafile=configured.get("cert"))
        with urllib.request.urlopen(request, timeout=60, context=trusted) as answer:
            files = json.load(answer)["files"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return {}
    return release_facts(files)


def release_facts(files: Sequence[Mapping[str, Any]]) -> dict[Version, tuple[str | None, str | None]]:
    """By version the reason for which all of its files were withdrawn, None where one is not, and its first day."""
    of: dict[Version, list[Mapping[str, Any]]] = {}
    for file in files:
        filename = str(file.get("filename"))
        try:
            is_wheel = filename.endswith(".whl")
            version = parse_wheel_filename(filename)[1] if is_wheel else parse_sdist_filename(filename)[1]
        except ValueError:
            continue
        of.setdefault(version, []).append(file)
    found = {}
    for version, several in of.items():
        yanked = [one.get("yanked") for one in several]
        reason = next((one for one in yanked if isinstance(one, str)), "") if all(yanked) else None
        days = sorted(str(one["upload-time"])[:10] for one in several if one.get("upload-time"))
        found[version] = (reason if reason is None else one_line(reason).strip(), days[0] if days else None)
    return found


def _git(where: Path, *words: str) -> str | None:
    try:
        done = ask(["git", "-C", str(where), *words], ASKED_S)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
