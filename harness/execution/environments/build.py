"""Build an environment of requirements once, and find it again: what grids, `ab` and `bisect` call.

`build(spec, label, folder)` returns a :class:`Built`: the interpreter's path and the lock. No grid is needed:

    from harness.execution.environments.build import build
    from harness.grid.environments import EnvironmentSpec
    built = build(EnvironmentSpec(packages=["transformers==4.45.2"]), "transformers==4.45.2")
    built.python, built.lock["transformers"]

It raises `BuildFailed` with the resolver's words where there is no such environment, and `RequirementError` where uv is
missing or nothing lies at a path. Processes that want the same one wait for each other; what it takes is told on the
standard error. A second call of the same resolves nothing, and after a prune installs from the remembered lock.

What is resolved: what was asked for, as of a week after the newest release among it, with what training needs besides
(`REST`). transformers and torch are those of the base (the harness's own environment) where nobody asks for others;
torch is linked from there with all that it pins, whatever build it is. What is asked for on this machine or by URL has
no date: all else is then as in the base, as far as that fits. A copy of an installed package's folder is put over that
package, and nothing else differs from the base.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.disk import take_lock, write_durably
from harness.errors import StoreError
from harness.execution import cache
from harness.execution.environments import base, uv
from harness.execution.environments.place import Place
from harness.execution.environments.uv import BuildFailed
from harness.execution.environments.wanted import FACTS, FORM, PINNED, REST, Built, Wanted, asked, in_cache
from harness.grid.environments import EnvironmentSpec
from harness.program import ask
from harness.protocol import SUBJECT
from harness.record.provenance import now
from harness.text import one_line, short_hash

AFTER: Final = timedelta(days=7)
"""What a release is resolved with may be so much younger: what it broke is often mended within days."""
PROOF_S: Final = 300.0


def say(text: str) -> None:
    """Tell on the standard error what building takes."""
    print(text, file=sys.stderr, flush=True)


def build(
    spec: EnvironmentSpec,
    label: str,
    folder: Path = Path(),
    *,
    rest: Sequence[str] = REST,
    tell: Callable[[str], None] = say,
    lines: Sequence[str] = (),
    known: Mapping[str, str] = MappingProxyType({}),
) -> Built:
    """Build an environment, or find it where it was built before; paths in it are relative to `folder`.

    What another machine has built so is built again of the `lines` that it came to there; `known` are the identities
    there of what was sent from it, by package.

    Raises
    ------
    BuildFailed
        Where it cannot be resolved or installed, or cannot import what it consists of; the text says why.
    RequirementError
        Where uv is missing, or nothing lies at a path that is asked for.
    """
    wanted = Wanted(spec, label, folder, rest, known)
    found = wanted.found()
    if found is not None:
        return found
    lock = take_lock(in_cache(f"{wanted.key}.lock"), wait=False)
    if lock is None:
        tell(f"environment {label}: another harness builds it")
        lock = take_lock(in_cache(f"{wanted.key}.lock"), wait=True)
    try:
        return wanted.found() or _Building(wanted, tell, lines).built()
    except (OSError, StoreError) as error:
        raise BuildFailed(one_line(str(error), uv.MOST_WORDS)) from error
    finally:
        if lock is not None:
            lock.release()


def find(spec: EnvironmentSpec, label: str, folder: Path = Path(), *, rest: Sequence[str] = REST) -> Built | None:
    """What :func:`build` would find, or None where it would have to build; raises RequirementError as it does."""
    return Wanted(spec, label, folder, rest).found()


class _Building:
    """One build, in a folder of its own until it is whole."""

    def __init__(self, wanted: Wanted, tell: Callable[[str], None], lines: Sequence[str]) -> None:
        self._wanted, self._tell, self._lines = wanted, tell, lines
        self._start = time.monotonic()
        uv.program()

    def built(self) -> Built:
        wanted, scratch = self._wanted, cache.Scratch.in_cache()
        try:
            folder = scratch.folder()
            lines = wanted.memory().get("lines") or list(self._lines)
            if not (isinstance(lines, list) and lines):
                lines = [] if wanted.copies else self._resolved(folder)
            place = folder / "environment"
            site = self._installed(place, [str(line) for line in lines], folder)
            lock = self._versions(site)
            self._prove(place, lock)
            name = short_hash([lock, wanted.stamp])
            self._keep(place, name, lock)
            known = [] if wanted.places else lines
            cache.remember(f"environment-{wanted.key}", {"folder": name, "lines": known})
        finally:
            scratch.close()
        found = wanted.found()
        if found is None:
            raise BuildFailed("it was removed as soon as it was built")
        self._tell(
            f"environment {wanted.label}: built of {len(lock)} packages in {time.monotonic() - self._start:.0f} s"
        )
        return found

    # What it consists of.

    def _resolved(self, folder: Path) -> list[str]:
        """The lines to install: names with versions, and what is not from an index with its place."""
        wanted, python = self._wanted, self._wanted.interpreter()
        dated = [str(one) for one in wanted.asked if one.url is None]
        dated += [f"{name}=={at.release}" for name, at in wanted.places.items() if at.kind == "package" and at.release]
        pins = [f"{name}=={base.version(name)}" for name in wanted.pins if name not in wanted.linked]
        cutoff = (
            self._cutoff([*dated, *(one for one in pins if not one.startswith("torch=="))], python, folder)
            if dated
            else None
        )
        asked = [*dated, *pins, *wanted.rest, *(self._from_place(one, folder) for one in wanted.asked if one.url)]
        asked += [str(one) for one in wanted.open if wanted.linked]
        (folder / "asked.txt").write_text("".join(f"{line}\n" for line in asked if line), encoding="utf-8")
        (folder / "excluded.txt").write_text("".join(f"{name}\n" for name in wanted.linked), encoding="utf-8")
        # What of it fits is taken as it stands in the file that is written.
        near = [one.name for one in wanted.open]
        kept = base.closure([*PINNED, *REST]) if cutoff is None else {n: v for n in near if (v := base.version(n))}
        (folder / "lock.txt").write_text(base.lines(kept), encoding="utf-8")
        options = ["--excludes", "excluded.txt", "--no-header", "--no-annotate", "--python", python, "--quiet"]
        if cutoff is not None:
            options += ["--exclude-newer", cutoff]
            undated = [*near, *(name for name in wanted.pins if name == "torch")]
            options += [word for name in undated for word in ("--exclude-newer-package", f"{name}=false")]
        self._tell(f"environment {wanted.label}: resolving{f' as of {cutoff[:10]}' if cutoff else ''}")
        uv.run(["pip", "compile", "asked.txt", "-o", "lock.txt", *options], folder)
        return [line for line in (folder / "lock.txt").read_text(encoding="utf-8").splitlines() if line.strip()]

    def _from_place(self, requirement: Requirement, folder: Path) -> str:
        """A requirement by its place, as uv understands it: a copy, so that the user's folder stays as it is."""
        at = self._wanted.places.get(requirement.name)
        if at is None:
            return str(requirement)
        if at.kind == "package":
            return "" if at.release else requirement.name
        taken = at.copy(folder / "sources" / requirement.name)
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        return f"{requirement.name}{extras} @ {taken.as_uri()}"

    def _cutoff(self, lines: Sequence[str], python: str, folder: Path) -> str | None:
        """A week after the newest of these releases by the index; None where that has no dates."""
        (folder / "dated.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        options = ["--no-deps", "--format", "pylock.toml", "--no-header", "--python", python, "--quiet"]
        found = tomllib.loads(uv.run(["pip", "compile", "dated.txt", *options], folder))
        times = [
            file["upload-time"]
            for one in found.get("packages", [])
            for file in [*one.get("wheels", []), *([one["sdist"]] if "sdist" in one else [])]
            if isinstance(file.get("upload-time"), datetime)
        ]
        return (max(times) + AFTER).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if times else None

    # Where it lies.

    def _installed(self, place: Path, lines: Sequence[str], folder: Path) -> Path:
        """Install; returns the folder of packages."""
        wanted, python = self._wanted, self._wanted.interpreter()
        uv.run(["venv", "--quiet", "--relocatable", "--no-project", "--python", python, str(place)], folder)
        inside = str(place / "bin" / "python")
        if lines:
            self._tell(f"environment {wanted.label}: installing {len(lines)} packages")
            (folder / "install.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            uv.run(["pip", "sync", "--quiet", "--python", inside, "install.txt"], folder)
        site = next(iter(sorted(place.glob("lib/python3*/site-packages"))))
        base.link(wanted.linked, site)
        for name, at in wanted.places.items():
            if at.kind == "package":
                self._put_over(at, name, site)
        self._identify(site)
        return site

    def _put_over(self, at: Place, name: str, site: Path) -> None:
        """Put a copy of a package in the place of the package that is installed."""
        names = (name.replace("-", "_"), name, at.path.name)
        target = next((site / one for one in names if (site / one / "__init__.py").is_file()), None)
        if target is None:
            raise BuildFailed(f"{name}: the release that the copy is of has no folder {names[0]}")
        shutil.rmtree(target)
        at.copy(target)

    def _identify(self, site: Path) -> None:
        """Write into the versions of what is from no index which state of it is meant."""
        for distribution in metadata.distributions(path=[str(site)]):
            name = canonicalize_name(distribution.name)
            at = next((one for key, one in self._wanted.places.items() if canonicalize_name(key) == name), None)
            identity = at.identity if at is not None else _commit(distribution) if name in self._wanted.names else None
            if identity is None:
                continue
            version = distribution.version
            path = Path(str(distribution.locate_file(""))) / f"{_stem(distribution)}.dist-info" / "METADATA"
            text = path.read_text(encoding="utf-8")
            path.unlink()  # it is linked, and others have it too
            path.write_text(
                text.replace(
                    f"\nVersion: {version}\n", f"\nVersion: {version}{'.' if '+' in version else '+'}{identity}\n", 1
                ),
                encoding="utf-8",
            )

    def _versions(self, site: Path) -> dict[str, str]:
        found = {canonicalize_name(one.name): one.version for one in metadata.distributions(path=[str(site)])}
        return dict(sorted(found.items()))

    def _prove(self, place: Path, lock: Mapping[str, str]) -> None:
        """Import what it consists of: what cannot be imported is not built. Its bytecode is then there, too."""
        names = [name for name in SUBJECT if name in lock]
        more = "; from transformers import Trainer, TrainingArguments" if set(SUBJECT) <= lock.keys() else ""
        self._tell(f"environment {self._wanted.label}: importing {', '.join(names) or 'nothing'}")
        left_out = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME")
        variables = {key: value for key, value in os.environ.items() if key not in left_out}
        command = [str(place / "bin" / "python"), "-c", f"import sys{''.join(f', {name}' for name in names)}{more}"]
        try:
            done = ask(command, PROOF_S, variables=variables)
        except (OSError, subprocess.SubprocessError) as error:
            raise BuildFailed(f"it cannot be run: {error}") from error
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise BuildFailed(f"it cannot import what it consists of: {uv.shortened(last)}")

    def _keep(self, place: Path, name: str, lock: Mapping[str, str]) -> None:
        """Move it to where it stays; where the same is there already, that one stays."""
        wanted = self._wanted
        facts = {
            "schema": FORM, "label": wanted.label, "packages": asked(wanted.spec), "lock": lock, "made": now(),
            "seconds": round(time.monotonic() - self._start, 1), "python": ".".join(map(str, sys.version_info[:3])),
        }  # fmt: skip
        write_durably(place / FACTS, json.dumps(facts, indent=1))
        (place / cache.LOCK).touch()
        target = in_cache(name)
        if (target / FACTS).is_file():
            return
        if target.exists():
            shutil.rmtree(target)  # what a killed prune left
        place.rename(target)


def _stem(distribution: metadata.Distribution) -> str:
    found = getattr(distribution, "_path", None)
    return Path(str(found)).name.removesuffix(".dist-info")


def _commit(distribution: metadata.Distribution) -> str | None:
    """What a package that came by a URL was: its commit, or its archive's hash; None of a release."""
    try:
        said = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return None
    if commit := said.get("vcs_info", {}).get("commit_id"):
        return f"g{str(commit)[:9]}"
    hashes = said.get("archive_info", {}).get("hashes", {})
    return f"d{hashes['sha256'][:9]}" if "sha256" in hashes else None
