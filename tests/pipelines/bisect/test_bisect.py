"""`harness bisect` from the search to the page, over made-up releases; and what an index and a checkout list."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from packaging.version import Version

from harness.checks.releases.history import History, Probed, Release
from harness.errors import RequirementError, SpecError
from harness.pipelines.bisect import index
from harness.pipelines.bisect.bisect import Bisection, bisect
from harness.pipelines.bisect.index import commits, release_facts
from harness.report.releases.markdown import releases_again, releases_markdown
from harness.report.releases.text import bisect_text
from harness.report.verdicts.json import verdicts_json
from tests.checks.releases.made_up import RELEASES, probed


class MadeUp:
    """Probes without running anything; what it was asked for, in order."""

    def __init__(self, broken: Sequence[str] = ()) -> None:
        self.broken, self.asked = broken, list[str]()

    @contextmanager
    def building(self) -> Iterator[None]:
        yield

    def ahead(self, releases: Sequence[Release]) -> None:
        assert releases

    def probe(self, releases: Sequence[Release]) -> Iterator[Probed]:
        for one in releases:
            self.asked.append(one.version)
            yield probed(one.version, one.version in self.broken)


def searched(*on: str, broken: Sequence[str] = (), deadline: float | None = None) -> tuple[Bisection, MadeUp]:
    prober = MadeUp(broken)
    return bisect("transformers", History(RELEASES, on), prober, deadline=deadline), prober


def test_minors_first_then_what_lies_between_neighbours_that_differ() -> None:
    found, prober = searched("accumulation")
    assert prober.asked == ["4.45.0", "4.45.2", "4.46.1", "4.47.1", "4.48.0", "4.46.0", "4.47.0"]
    section = found.section("harness bisect", "harness bisect transformers")
    assert section.code == 0
    text = bisect_text(section)
    assert text.startswith(
        "transformers 4.45.0 to 4.48.0, accumulation: 2 changes: 4.45.2 -> 4.46.0, 4.46.1 -> 4.47.0; 7 of 8 releases "
        "probed; no change seen between other probed releases\n"
    )
    assert "\n4.45.2 -> 4.46.0\n  accumulation: PASS -> FAIL: logged loss 4.000 x, gradient norm 4.000 x" in text
    states = {one.item: one.outcome for one in section.verdicts}
    assert states["4.45.1"] == "SKIP"
    assert states["4.46.0"] == "PASS"


def test_the_page_and_json_have_every_release_and_field() -> None:
    section = searched(broken=["4.48.0"])[0].section("harness bisect", "harness bisect transformers")
    files = releases_markdown(section, "history")
    page = files["history"]
    assert "| 4.46.0 (yanked: withdrawn)" in page
    assert "could not be probed: its environment cannot be built: no such thing" in page
    assert "![Releases by field](history.svg)" in page
    assert "no change was seen there, which is not that there was none" in page
    assert files["history.svg"].startswith("<?xml")
    assert page.startswith("# transformers 4.45.0 to 4.48.0: 3 changes\n")
    again = releases_again(verdicts_json(section.head, section.verdicts, section.code), "history")
    assert again == files


def test_out_of_time_is_unfinished_and_says_what_is_left() -> None:
    found, prober = searched("accumulation", deadline=time.monotonic() - 1)
    section = found.section("harness bisect", "harness bisect transformers")
    assert (section.code, prober.asked) == (3, [])
    assert "5 still to probe" in bisect_text(section)


def test_a_release_is_withdrawn_where_all_of_its_files_are() -> None:
    files = [
        {"filename": "a-1.0-py3-none-any.whl", "yanked": "broken\n", "upload-time": "2024-10-24T10:00:00Z"},
        {"filename": "a-1.0.tar.gz", "yanked": True, "upload-time": "2024-10-23T10:00:00Z"},
        {"filename": "a-1.1-py3-none-any.whl", "yanked": False},
        {"filename": "a-1.1.tar.gz", "yanked": "broken"},
        {"filename": "a-1.1.exe", "yanked": "broken"},
    ]
    assert release_facts(files) == {Version("1.0"): ("broken", "2024-10-23"), Version("1.1"): (None, None)}


def test_an_index_is_read_by_pips_of_any_age(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "toy (2.0)\nAvailable versions: 2.0, 1.1, 1.0\n  INSTALLED: 1.0\n"

    def asked(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
        assert "--json" not in command
        return subprocess.CompletedProcess(command, 0, listed, "")

    monkeypatch.setattr(index, "ask", asked)
    assert index._versions("toy") == ["2.0", "1.1", "1.0"]
    monkeypatch.setattr(index, "ask", lambda command, seconds: subprocess.CompletedProcess(command, 1, "", "ERROR: no"))
    with pytest.raises(RequirementError, match="toy: the index lists no release; pip says: ERROR: no"):
        index._versions("toy")


def test_commits_of_a_checkout_follow_on_each_other(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        own = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *own, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    made = []
    for number in range(4):
        git("commit", "-q", "--allow-empty", "-m", str(number))
        made.append(git("rev-parse", "HEAD"))
    found = commits("transformers", tmp_path, made[1], "HEAD")
    assert [one.version for one in found] == [one[:12] for one in made[1:]]
    assert found[0].text == f"transformers @ git+{tmp_path.as_uri()}@{made[1]}"
    assert found[0].group is None
    with pytest.raises(SpecError, match='--from: got "no-such"; allowed a commit of'):
        commits("transformers", tmp_path, "no-such", "HEAD")
    with pytest.raises(SpecError, match=r"--to: got .*; allowed a commit after"):
        commits("transformers", tmp_path, "HEAD", made[0])
