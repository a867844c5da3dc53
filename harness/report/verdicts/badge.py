"""A badge: the JSON that shields.io's endpoint reads (https://shields.io/badges/endpoint-badge)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

from harness.checks.verdict import Verdict
from harness.exit_codes import worst
from harness.report.format.escape import clean
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import LIMIT, word

COLOURS: Final = {0: "brightgreen", 1: "red", 3: "yellow"}
"""Exit code -> colour; any other says that nothing is known: grey, with shields' own mark of an error."""


def sections_badge(sections: Sequence[Section]) -> str:
    """`night: 1 FAIL of 24`: red, yellow or green as the exit code is; grey where no verdict stands behind it."""
    code = worst([one.code for one in sections]) if sections else 0
    names = ", ".join(dict.fromkeys(clean(one.name, LIMIT) for one in sections))
    gating = [
        (one, one.is_red(section.head.inconclusive)) for section in sections for one in section.deciding if one.gates
    ]
    if code not in COLOURS or not gating:
        said = {"message": "not measured", "color": "lightgrey", "isError": True}
    else:
        red = [one for one, is_red in gating if is_red]
        text = f"{_counted(red)} of {len(gating):,}" if red else _counted([one for one, _ in gating])
        said = {"message": text, "color": COLOURS[code]}
    return f"{json.dumps({'schemaVersion': 1, 'label': names, **said}, indent=1, ensure_ascii=False)}\n"


def _counted(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in Counter(map(word, verdicts)).items())
