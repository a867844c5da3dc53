"""The published report of a verification."""

from __future__ import annotations

import pytest

from harness.checks.verify.checklist import Checklist, Pair
from harness.record.run import Run
from harness.report.verdicts.verify_report import verification_report
from tests.report.conftest import make_cell, make_entry, make_record


@pytest.mark.parametrize(
    ("versions", "title"),
    [
        (["5.23.0"], "transformers 5.23.0, torch 2.13.0"),
        (["5.0.0", "4.45.2", "4.57.0"], "transformers 4.45.2 to 5.0.0, torch 2.13.0"),
        (["4.9.0", "4.10.0"], "transformers 4.9.0 to 4.10.0, torch 2.13.0"),
        (["4.9.0", "a fork"], "transformers a fork to 4.9.0, torch 2.13.0"),
    ],
)
def test_the_title_names_the_oldest_and_the_newest_version(versions: list[str], title: str) -> None:
    runs, pairs = {}, []
    for seed, version in enumerate(versions):
        entry = make_entry(seed=seed)
        record = make_record(entry, packages={"torch": "2.13.0", "transformers": version})
        asked = record.asked.model_copy(update={"environment": f"e{seed}"})
        runs[entry.cell_id] = Run(record.model_copy(update={"asked": asked}))
        pairs.append(Pair("repeat", make_cell(entry), make_cell(entry)))
    text = verification_report(Checklist(tuple(pairs)), [], runs, "harness verify grid.toml", "harness")
    assert text.startswith(f"# Does training mean what it says? {title}\n\nNo check fails: No check.\n")
