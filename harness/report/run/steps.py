"""What a run did at each optimizer step: as rows, as CSV, as a plot of loss over gradient norm over learning rate."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.errors import SpecError
from harness.report.format.svg import BLUE, GREY, ORANGE, figure, plot_labels, style

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.figure import Figure

    from harness.record.run import Run

BY_STEP: Final = {
    "loss": "loss", "micro_loss": "model's own loss", "grad_norm": "gradient norm", "learning_rate": "learning rate",
    "step_seconds": "step, s", "data_seconds": "waiting for data, s",
}  # fmt: skip
"""Series of one number an optimizer step, and what people call them."""
_DRAWN: Final = ("loss", "grad_norm", "learning_rate")
_HUES: Final = (BLUE, ORANGE, GREY)
_DASHES: Final[Sequence[Any]] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))
"""Each of 12 curves has a pair of its own; no two that follow each other share either."""


Curves = Mapping[str, tuple[Sequence[int], "Sequence[float] | npt.NDArray[Any]"]]
"""By series the steps that have a value, and the values."""


def steps_rows(run: Run) -> tuple[list[str], list[list[str]]]:
    """(names, rows): the step of the whole run, counted from 0, then each series that was kept; "" where it has none.

    A number is the shortest text that reads back to the same bits.
    """
    kept = {name: run.series[name] for name in BY_STEP if name in run.series and run.series[name].ndim == 1}
    rows = itertools.zip_longest(*kept.values(), fillvalue="")
    return ["step", *kept], [[str(at), *map(str, row)] for at, row in enumerate(rows, start=run.first_step)]


def steps_csv(run: Run) -> str:
    """The same as CSV, a head and a line a step."""
    names, rows = steps_rows(run)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([names, *rows])
    return out.getvalue()


def curves_of(run: Run) -> Curves:
    """The series of a run that are drawn."""
    kept = {name: run.series[name] for name in _DRAWN if len(run.series.get(name, ()))}
    return {name: (range(run.first_step, run.first_step + len(each)), each) for name, each in kept.items()}


def steps_figure(runs: Sequence[tuple[str, Curves]]) -> Figure:
    """Loss, gradient norm and learning rate of named runs, a panel each where one of them has it.

    Raises
    ------
    SpecError
        Where no run has any of them.
    """
    drawn = [name for name in _DRAWN if any(name in run for _, run in runs)]
    if not drawn:
        raise SpecError("plot: no run has a value by step; allowed runs that trained and kept their series")
    labels = plot_labels([label for label, _ in runs], 100)
    looks: list[dict[str, Any]] = [
        {"color": _HUES[at % len(_HUES)], "linestyle": _DASHES[at % len(_DASHES)]} for at in range(len(runs))
    ]
    with style():
        page = figure(8.4, 0.5 + 0.16 * sum(label.count("\n") + 1 for label in labels) + 1.7 * len(drawn))
        panels = page.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
        for axes, name in zip(panels, drawn, strict=True):
            for (_, run), label, look in zip(runs, labels, looks, strict=True):
                steps, values = run.get(name, ((), ()))
                axes.plot(steps, values, linewidth=1.4, label=label, marker="." if len(values) == 1 else "", **look)
            axes.set_ylabel(BY_STEP[name], fontsize=9)
            axes.grid()
            axes.set_axisbelow(True)
            axes.margins(x=0.01)
        panels[-1].set_xlabel("optimizer step", fontsize=9)
        panels[-1].locator_params(axis="x", integer=True)
        handles, names = panels[0].get_legend_handles_labels()
        page.legend(handles, names, loc="outside upper left", frameon=False, fontsize=9)
    return page
