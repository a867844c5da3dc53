"""The report of a GPU: what must hold there, what was seen, and the figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.gpu.finding import Claim, Found
from harness.report.format.escape import fenced, inline
from harness.report.format.table import table

WORDS: Final = {True: "holds", False: "**does not hold**", None: "not looked at"}
DOES: Final[Mapping[str, str]] = {
    "ground": "The machine",
    "precisions": "Every precision, by the Trainer and by the plain loop",
    "verify": "Fidelity, reproducibility, invariants",
    "speed": "Speed",
    "faults": "What goes wrong",
    "packing": "Small cells that share the GPU",
    "task": "GLUE MRPC",
}


def page(found: Mapping[str, Found], device: str, date: str, command: str, versions: str) -> str:
    """The Markdown of all stages."""
    claims = [one for stage in found.values() for one in stage.claims]
    broken, unseen = ([one for one in claims if one.held is held] for held in (False, None))
    title = f"{len(claims) - len(broken) - len(unseen)} of {len(claims)} claims hold"
    more = [f"{len(broken)} broken" if broken else "", f"{len(unseen)} not looked at" if unseen else ""]
    parts = [
        f"# {inline(device)}: {', '.join([title, *filter(None, more)])}",
        f"What the harness claims of a GPU, tried on one: {date}, {inline(versions)}.",
    ]
    if broken:
        parts.append(
            "\n".join(f"- {inline(one.name)}: asked {inline(one.asked)}; found {inline(one.found)}" for one in broken)
        )
    for name, stage in found.items():
        parts += [f"## {DOES[name]}", table(["", "Asked", "Found", ""], [_row(one) for one in stage.claims], "llll")]
        if stage.figures:
            parts.append(table(["Figure", ""], [[inline(one.name), inline(one.value)] for one in stage.figures], "ll"))
    typed = [line for stage in found.values() for line in stage.commands]
    parts += ["## Made with", fenced(command, "sh"), "which typed:", fenced("\n".join(dict.fromkeys(typed)), "sh")]
    return "\n\n".join(parts) + "\n"


def _row(claim: Claim) -> list[str]:
    return [inline(claim.name), inline(claim.asked), inline(claim.found, 200), WORDS[claim.held]]
