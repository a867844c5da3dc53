"""What `harness accept` did, as plain lines: counts, whose runs they are, and what was left out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from harness.checks.scores.baseline.file import Baseline
from harness.fact import Fact
from harness.record.configuration import Configuration
from harness.record.freshness import Freshness
from harness.report.format.escape import clean
from harness.report.phrases.head import freshness_text
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.report.verdicts.words import LIMIT


def accepted_text(
    path: Path,
    file: Baseline | None,
    accepted: Sequence[Configuration],
    found: Freshness,
    facts: Sequence[Fact],
) -> str:
    """Say what `path` holds now; `file` is None where it was not written. `facts` are a line each."""
    lines = [f"nothing is accepted; {clean(path)} is not written"]
    if file is not None:
        runs, collapsed = sum(len(one.scores) for one in accepted), sum(len(one.lost) for one in accepted)
        collapsed += sum(run.status in ("collapsed", "nonfinite") for one in accepted for run in one.scores)
        counts = [f"{many(len(accepted), 'configuration')} accepted", many(runs, "run")]
        counts += [f"{collapsed} collapsed"] if collapsed else []
        stays = len(file.configurations) - len(accepted)
        counts += [f"{stays} as accepted before"] if stays else []
        lines = [f"wrote {clean(path)}: {', '.join(counts)}", freshness_text(found)]
    lines += [clean(say(fact), LIMIT) for fact in facts]
    if file is not None:
        lines.append(f"next: git add {shlex.quote(clean(path))} and commit it: every later night is held against it")
    return "\n".join(lines)
