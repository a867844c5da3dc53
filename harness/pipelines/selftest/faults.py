"""The faults that a selftest plants, what must find each and may rightly call it, and changes that are no fault."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from harness.checks.verify.fields import Layer
from harness.disk import write_files
from harness.pipelines.selftest.alter import OTHER, Array, Arrays, Values, forget, rewrite
from harness.pipelines.selftest.ground import SIDES, Ground
from harness.record.entry import Entry
from harness.record.model import RECORD, SERIES
from harness.record.store import Store

Command = Literal["check", "diff", "verify"]
AT: Final = 5
"""The step at which a fault in the middle of a run begins; `verify`'s runs have 8."""
YEAR: Final = datetime.timedelta(days=365)


@dataclass(frozen=True)
class RunFault:
    """A fault of one run: `values` and `arrays` are changed, and from step `since` on all that follows from it.

    None: nothing follows. `names` are what the commands that must find it (`by`) may call it. `layer` is that of the
    fingerprint.
    """

    name: str
    layer: Layer
    names: tuple[str, ...]
    values: Values = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)
    since: int | None = None
    by: tuple[Command, ...] = ("diff", "verify")

    def plant(self, store: Store, entry: Entry) -> None:
        """Change the run behind an entry."""
        after = {} if self.since is None else _after(self.since)
        values = dict(self.values) | ({} if self.since is None else _ends())
        rewrite(store, entry, values, {**after, **self.arrays})


@dataclass(frozen=True)
class StoreFault:
    """A fault of the grid's results or its accepted file: `check` ends with one of `codes`."""

    name: str
    plant: Callable[[Ground], None]
    codes: tuple[int, ...] = ()
    """Empty: it is no fault, and `check` ends with 0."""


def _after(since: int) -> dict[str, Callable[[Array], Array]]:
    """What training does that is another from a step on: losses, norms and answers, by 1 in 1,000 and more."""

    def other(array: Array) -> Array:
        changed = array.copy()
        steps = np.arange(len(changed) - since)
        changed[since:] = changed[since:] * (1 + 1e-3 * (1 + steps % 3)).astype(changed.dtype)
        return changed

    return {
        **dict.fromkeys(("loss", "micro_loss", "grad_norm"), other),
        "logits": lambda logits: logits * np.float32(1.01),
    }


def _ends() -> dict[str, Any]:
    """The hashes of what training does and comes to."""
    return {
        "observed.fingerprint.final_sha256": OTHER,
        "observed.fingerprint.loss_sha256": OTHER,
        "observed.fingerprint.trajectory_sha256": OTHER,
        "observed.weights.final_sha256": OTHER,
    }


def _scaled(by: float, since: int = AT, until: int | None = None) -> Callable[[Array], Array]:
    def scaled(array: Array) -> Array:
        changed = array.copy()
        changed[since:until] = changed[since:until] * changed.dtype.type(by)
        return changed

    return scaled


def _swapped(array: Array) -> Array:
    """Two examples of two batches, far from each other."""
    changed = array.copy()
    changed[[AT * 8, AT * 8 + 20]] = changed[[AT * 8 + 20, AT * 8]]
    return changed


def _bumped(array: Array) -> Array:
    changed = array.copy()
    changed[AT * 8] += changed.dtype.type(1)
    return changed


_FINGERPRINT: Final = "observed.fingerprint"
RUN_FAULTS: Final = (
    RunFault(
        "loss", "trajectory", ("logged loss",), {f"{_FINGERPRINT}.trajectory_sha256": OTHER},
        {"loss": _scaled(1 + 1e-4, AT, AT + 1)},
    ),
    RunFault(
        "micro_loss", "trajectory", ("the model's own loss",), {}, {"micro_loss": _scaled(1 + 1e-4, AT, AT + 1)}
    ),
    RunFault(
        "gradients", "trajectory", ("gradient norm",), {f"{_FINGERPRINT}.trajectory_sha256": OTHER},
        {"grad_norm": _scaled(2.0, 0)},
    ),
    RunFault(
        "rate", "trajectory", ("learning rate",), {f"{_FINGERPRINT}.trajectory_sha256": OTHER},
        {"learning_rate": _scaled(1.1)}, AT + 1,
    ),
    RunFault(
        "initial", "exact", ("initial weights",),
        {f"{_FINGERPRINT}.init_sha256": OTHER, "observed.weights.init_sha256": OTHER}, {}, 0,
    ),
    RunFault("checkpoint", "exact", ("checkpoint weights",), {
        "observed.weights.weights_sha256": OTHER, "observed.weights.checkpoint_sha256": OTHER,
        f"{_FINGERPRINT}.init_sha256": OTHER, "observed.weights.init_sha256": OTHER,
    }, {}, 0),
    RunFault("data", "exact", ("training data",), {"observed.data.train.sha256": OTHER}, {}, 0),
    RunFault(
        "order", "exact", ("data order", "order within steps"), {f"{_FINGERPRINT}.data_order_sha256": OTHER},
        {
            "example_ids": _swapped,
            **{f"inputs.{name}": _swapped for name in ("input_ids", "attention_mask", "token_type_ids", "labels")},
        },
        AT,
    ),
    RunFault(
        "inputs", "exact", ("inputs.input_ids",), {f"{_FINGERPRINT}.inputs.input_ids": OTHER},
        {"inputs.input_ids": _bumped}, AT,
    ),
    RunFault(
        "optimizer", "exact", ("optimizer group 1: weight_decay",), {"observed.optimizer.groups.1.weight_decay": 0.01},
        {}, 1,
    ),
    RunFault("clipping", "exact", ("clipping",), {f"{_FINGERPRINT}.clipping": 0.5}, {}, 1),
    RunFault("dropout", "exact", ("dropout",), {f"{_FINGERPRINT}.dropout": False}, {}, 0),
    RunFault(
        "precision", "exact", ("precision",),
        {f"{_FINGERPRINT}.precision.name": "bf16", f"{_FINGERPRINT}.precision.flops": {"bfloat16": 10275840}}, {}, 0,
    ),
    RunFault("attention", "exact", ("attention",), {f"{_FINGERPRINT}.attention": "eager"}, {}, 0),
    RunFault("kept", "outcome", ("final weights",), {
        f"{_FINGERPRINT}.final_sha256": OTHER, "observed.weights.final_sha256": OTHER
    }, by=("verify",)),
    RunFault("asked", "asked", ("arguments",), {
        "asked.recipe.learning_rate": 1e-3, "observed.requested.learning_rate": 1e-3
    }, by=("verify",)),
    RunFault("answers", "outcome", ("logits",), {}, {"logits": lambda logits: logits * np.float32(1.01)}),
)  # fmt: skip
"""At least one in each layer that says what a run was asked for and did. Equal losses make other final weights the same
to `diff`, which then names their bits; `verify` asks for the last bit of a repetition."""


def _entries(ground: Ground) -> list[Entry]:
    return ground.entries(SIDES[1])


def _folder(ground: Ground, seed: int) -> Path:
    one = next(entry for entry in _entries(ground) if entry.seed == seed)
    return ground.store(SIDES[1]).folder / one.path


def _half_gone(ground: Ground) -> None:
    every = _entries(ground)
    for entry in every[: (len(every) + 1) // 2]:
        shutil.rmtree(ground.store(SIDES[1]).cell_folder(entry.cell_id))


def _half_forgotten(ground: Ground) -> None:
    _half_gone(ground)
    forget(ground.store(SIDES[1]))


def _emptied(ground: Ground) -> None:
    data = json.loads(ground.accepted.read_text(encoding="utf-8"))
    data["configurations"] = []
    data["environments"] = {}
    write_files({ground.accepted.name: json.dumps(data, indent=1) + "\n"}, ground.folder)


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _edited(ground: Ground) -> None:
    path = _folder(ground, 3) / RECORD
    data = json.loads(path.read_text(encoding="utf-8"))
    data["measured"]["metrics"]["accuracy"] += 0.025
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _future(ground: Ground) -> None:
    def later(text: str) -> str:
        at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) + YEAR
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    store = ground.store(SIDES[1])
    rewrite(store, _entries(ground)[2], {"started": later, "finished": later})


def _worse(ground: Ground) -> None:
    """Each run answers one example in ten wrongly that it had right."""

    def wrong(logits: Array) -> Array:
        changed = logits.copy()
        at = np.argsort(-np.abs(logits[:, 1] - logits[:, 0]))[: len(logits) // 10]
        changed[at] = changed[at][:, ::-1]
        return changed

    for entry in _entries(ground):
        rewrite(ground.store(SIDES[1]), entry, _ends(), {**_after(0), "logits": wrong})


def _collapsed(ground: Ground) -> None:
    for entry in _entries(ground):
        values = {**_ends(), "status": "collapsed", "measured.constant": True}
        constant = {"logits": lambda logits: np.tile(np.array([[-0.4, 0.4]], logits.dtype), (len(logits), 1))}
        rewrite(ground.store(SIDES[1]), entry, values, {**_after(0), **constant})


def _slower(ground: Ground) -> None:
    """What no training depends on: times, an argument for the hub, the version of a package that changed nothing."""

    def doubled(seconds: Mapping[str, float]) -> dict[str, float]:
        return {name: 2 * value for name, value in seconds.items()}

    for entry in _entries(ground):
        values = {"measured.seconds": doubled, "observed.arguments.hub_private_repo": True}
        values["observed.packages.safetensors"] = "0.0.1"
        rewrite(ground.store(SIDES[1]), entry, values, {"step_seconds": lambda seconds: 2 * seconds})


STORE_FAULTS: Final = (
    StoreFault("same", lambda ground: None),
    StoreFault("slower", _slower),
    StoreFault("half-gone", _half_gone, (4,)),
    StoreFault("half-forgotten", _half_forgotten, (4,)),
    StoreFault("emptied", _emptied, (2, 4, 5)),
    StoreFault("accepted-cut", lambda ground: _cut(ground.accepted), (2, 4)),
    StoreFault("cut", lambda ground: _cut(_folder(ground, 3) / RECORD), (4,)),
    StoreFault("edited", _edited, (4,)),
    StoreFault(
        "other-series",
        lambda ground: _copied(_folder(ground, 4) / SERIES, _folder(ground, 3) / SERIES),
        (4,),
    ),
    StoreFault("future", _future, (4,)),
    StoreFault("worse", _worse, (1,)),
    StoreFault("collapsed", _collapsed, (1,)),
)
"""The first ones are no faults: nothing may be said of them."""


def _copied(source: Path, to: Path) -> None:
    shutil.copyfile(source, to)
