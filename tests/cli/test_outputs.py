"""What a command that judges hands out: printed, written, and shown by GitHub Actions."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli.outputs import hand_out
from harness.report.verdicts.json import verdicts_from_json
from tests.report.verdicts.made_up import HEAD, cases


def test_everything_that_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    heeded = cases()[2:4]
    out = tmp_path / "new" / "v.md"
    assert hand_out(HEAD, cases(), as_json=True, junit=tmp_path / "j.xml", out=out, heeded=heeded) == 3
    printed = capsys.readouterr()
    assert verdicts_from_json(printed.out) == (HEAD, tuple(cases()))
    assert json.loads(printed.out)["exit_code"] == 3
    assert len(ET.parse(tmp_path / "j.xml").getroot()[0]) == len(heeded)
    assert {path.name for path in out.parent.iterdir()} == {"v.md", "v-forest.svg"}
    assert "(v-forest.svg)" in out.read_text(encoding="utf-8")
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("# harness check\n")
    assert printed.err.startswith("::error title=INCONCLUSIVE quality::")


def test_text_alone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert hand_out(HEAD, cases()) == 1
    assert hand_out(replace(HEAD, inconclusive="pass"), cases()[2:4]) == 0
    assert hand_out(HEAD, cases(), code=5) == 5
    printed = capsys.readouterr()
    assert printed.out.count("judgements: ") == 3
    assert printed.err == ""
