"""docs/python.md: a page whose blocks are run, in order, and whose outputs are what they printed.

`python -m tests.published.notebook > docs/python.md` writes it; a test compares. The runs are those kept in
`tests/data/notebook`: a tiny BERT, made by `harness run night.toml` there.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).resolve().parents[1] / "data" / "notebook"

PARTS: Final = (
    """# In Python

`import harness` has what the commands have: each function judges by the very code of its command, and
`print` of its answer says what the command prints (a notebook shows it as Markdown). Importing it loads nothing else;
torch is never loaded, pandas by `frame` and matplotlib by `plot` only. What goes wrong raises a
`harness.errors.HarnessError` with the command's message. Grids, runs and results are named as everywhere, and `results`
is looked for here and in the folders above. [Words](words.md) says what things are called.

| function | gives | command |
| --- | --- | --- |
| `harness.load(name)` | runs: a grid's, a store's, one by its id | `harness runs` |
| `harness.select(runs, precision="bf16")` | those with these values, or lists of values | `--select` |
| `harness.frame(name)` | a pandas DataFrame, one row a run ([its columns](frame.md)) | |
| `harness.diff(a, b)` | identical, equal or different: since which step, why | `harness diff` |
| `harness.check(grid)` | verdicts with outcome, interval, margin | `harness check` |
| `harness.verify(grid)` | the same of what a run does; it trains | `harness verify` |
| `harness.plot(runs)` | loss, gradient norm and rate by step, a matplotlib figure | `--plot` |

Everywhere here the grid is a tiny BERT over two precisions and two seeds, for a few steps in which it learns nothing.

## Runs, and what they did step by step
""",
    """import harness

runs = harness.load("results/night")
print(runs)""",
    """A run has `run_id`, `axes` and `read()`: its record, and its arrays by name, one value an optimizer step.
""",
    """one = harness.select(runs, precision="bf16", seed=1)[0]
run = one.read()
print(run.record.status, run.record.measured.metrics["accuracy"])
for name in ("loss", "grad_norm", "learning_rate"):
    print(name, run.series[name].shape, run.series[name][0].round(6))""",
    """`harness show night:precision=bf16,seed=1 --csv steps.csv` writes these values as a file;
`harness.plot` draws them:
""",
    """page = harness.plot(runs)
page.savefig("steps.png")
print([axes.get_ylabel() for axes in page.axes])""",
    """## Are they the same?
""",
    """found = harness.diff(harness.select(runs, precision="fp32"), harness.select(runs, precision="bf16"))
print(found)""",
    """The same for a program:
""",
    """print(found.state, found.first_step, found.exit_code)
for fact in found.causes:
    print(fact.code, fact.values)""",
    """## Does the number hold?
""",
    """verdicts = harness.check("night.toml")
print(verdicts)
for one in verdicts:
    print(one.check, one.item, one.outcome, one.reason.code)""",
    """Where there is a difference of scores, `one.numbers` has it in points: `difference`, `ci90`, and the
margin, `delta`. `verdicts.evidence()` is every figure of every verdict (`-v`), and `harness why` reads what was
judged here. What the command takes `check` takes: `select`, `environment`, `accepted`; `max_age="20h"`, beyond which
a result is an ERROR; and of the [exit code](exit-codes.md) `fail_on`, `inconclusive="pass"`, `skipped="fail"`.
""",
    """print(verdicts.exit_code)
for one in harness.check("night.toml", max_age="90m", select="precision=fp32"):
    print(one.check, one.item, one.outcome, one.reason.code)""",
    """## All runs as a table
""",
    """table = harness.frame("results/night")
print(table[["configuration", "seed", "status", "accuracy_fraction"]].to_string(index=False))""",
    """This page is written by `python -m tests.published.notebook`, which runs it.
""",
)
"""Text and code in turn."""


def page() -> str:
    """The page; its code runs in a copy of the kept runs. Raises whatever the code raises."""
    names: dict[str, Any] = {}
    made, back = [], Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(DATA, folder, dirs_exist_ok=True)
        os.chdir(folder)
        try:
            for at, part in enumerate(PARTS):
                if at % 2 == 0:
                    made.append(part)
                    continue
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    exec(compile(part, f"block {at}", "exec"), names)
                printed = "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())
                made.append(f"```python\n{part}\n```\n\n```text\n{printed}\n```\n")
        finally:
            os.chdir(back)
    return "\n".join(made)


if __name__ == "__main__":
    print(page(), end="")
