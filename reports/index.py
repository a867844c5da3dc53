"""Keep `reports/README.md` true: `python reports/index.py` writes it, `python reports/index.py --check` only looks."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.report.index import check_index, render_index

FOLDER = Path(__file__).parent
INDEX = FOLDER / "README.md"


def main() -> int:
    """Write the index, or with `--check` say what is wrong with it; 1 where something is."""
    reports = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md")) if path != INDEX}
    if "--check" not in sys.argv[1:]:
        INDEX.write_text(render_index(reports), encoding="utf-8")
        return 0
    problems = check_index(INDEX.read_text(encoding="utf-8") if INDEX.is_file() else None, reports)
    print("\n".join(problems) or f"{INDEX.name}: true, {len(reports)} reports")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
