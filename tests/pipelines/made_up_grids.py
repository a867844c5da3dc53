"""What is said of a grid that was only written."""

from __future__ import annotations

from pathlib import Path

from harness.grid.grid import Grid, load_grid
from harness.pipelines.foreseen import foreseen
from harness.report.phrases.say import say

COURSE = '[[reference]]\nid = "hf-course-ch3"\n'
MRPC = """
name = "m"
task = "glue/mrpc"
[matrix]
checkpoint = ["google-bert/bert-base-uncased", "google-bert/bert-base-cased"]
seed = [42, 1, 2, 3, 4]
"""


def grid_of(text: str, *changes: tuple[str, str]) -> Grid:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("g.toml").write_text(text, encoding="utf-8")
    return load_grid(Path("g.toml"))


def doubts(text: str, *changes: tuple[str, str]) -> list[str]:
    return [say(fact) for fact in foreseen(grid_of(text, *changes)).doubts]


def applies(text: str, *changes: tuple[str, str]) -> list[str]:
    return [say(fact) for fact in foreseen(grid_of(text, *changes)).applies]
