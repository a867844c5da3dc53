"""Plots: readable on their own paper, nothing cut or overlapping, same bytes whatever the user's settings."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from harness.report.format.rows import rows_of
from harness.report.format.svg import BLUE, GREY, INK, ORANGE, PAPER, figure, plot_labels, style
from harness.report.run.captions import caption
from harness.report.run.plots import figures, to_svgs


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [INK, BLUE, ORANGE, GREY])
def test_words_and_marks_have_a_contrast_of_7(colour: str) -> None:
    assert contrast(colour, PAPER) >= 7


def many(make_entry: Any, make_report: Any) -> Any:
    names = ["google-bert/bert-base-uncased", "sentence-transformers/all-MiniLM-L6-v2-with-quite-a-long-name"]
    axes = [(c, p, r) for c in names for p in ("fp32", "fp16", "bf16") for r in (1e-5, 2e-5, 5e-5, 1e-4)]
    entries = [
        make_entry(c, s, p, axes={"checkpoint": c, "precision": p, "learning_rate": r, "seed": s})
        for c, p, r in axes
        for s in range(5)
    ]
    curves = {e.configuration_id: [np.linspace(1, 0, 50)] * 2 for e in entries}
    return make_report(entries, curves=curves)


def test_no_label_is_cut_or_overlaps(make_entry: Any, make_report: Any) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for drawn in figures(many(make_entry, make_report)).values():
        canvas = FigureCanvasAgg(drawn)
        canvas.draw()
        page = drawn.bbox
        for axes in drawn.axes:
            labels = [text for text in axes.texts if text.get_text()]
            boxes = [text.get_window_extent() for text in [*labels, axes.xaxis.label, axes._left_title]]
            for box in (b for b in boxes if b.width):
                assert box.x0 >= page.x0
                assert box.x1 <= page.x1 + 0.5
                assert box.y0 >= page.y0
                assert box.y1 <= page.y1 + 0.5
                assert box.height > 0.07 * drawn.dpi  # a word that can be read where the page is narrow
            ticks = sorted((label.get_window_extent() for label in labels), key=lambda box: box.y0)
            assert all(low.y1 <= high.y0 + 0.5 for low, high in pairwise(ticks))


def test_without_a_caption_there_is_a_legend(demo: Any) -> None:
    shown, alone = figures(demo)["scores"], figures(demo, alone=True)["scores"]
    assert shown.legends == []
    (legend,) = alone.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a run", "a collapsed run", "mean"]
    assert alone.get_figheight() > shown.get_figheight()  # and the rows keep their room


def test_curves_without_a_caption_say_what_a_line_and_its_band_are(demo: Any) -> None:
    shown, alone = figures(demo)["loss"].legends, figures(demo, alone=True)["loss"].legends
    assert len(alone) == len(shown) + 1
    names = [text.get_text() for text in alone[-1].get_texts()]
    assert names[0].startswith("mean over seeds")
    assert names[1] == "smallest to largest"
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    drawn = figures(demo, alone=True)["loss"]
    FigureCanvasAgg(drawn).draw()
    box = drawn.legends[-1].get_window_extent()
    assert (box.x0 >= drawn.bbox.x0, box.x1 <= drawn.bbox.x1) == (True, True)


def test_a_line_goes_on_behind_words() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with style():
        page = figure(4, 2)
        axes = page.subplots()
        plan = rows_of(["first", "i     i"], 0.4)
        axes.set_xlim(0, 1)
        plan.write(axes)
        page.draw_without_rendering()
        box = axes.texts[1].get_window_extent()
        middle = axes.transData.inverted().transform(((box.x0 + box.x1) / 2, 0))[0]
        axes.plot([middle, middle], [plan.places[0], plan.places[1]], color=GREY, linewidth=3, zorder=1)
        canvas = FigureCanvasAgg(page)
        canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[::-1, :, :3].min(axis=2)  # upwards, as boxes count
    column = pixels[int(box.y0) : int(box.y1), round((box.x0 + box.x1) / 2)]
    assert column.size > 5
    assert column.max() < 230, "where the words are the line is gone"


def test_the_users_settings_change_nothing(demo: Any) -> None:
    plain = to_svgs(demo)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "none", "lines.linewidth": 9}):
        assert to_svgs(demo) == plain
        assert mpl.rcParams["font.size"] == 30


def test_files_have_their_own_paper_and_no_date(demo: Any) -> None:
    for svg in to_svgs(demo).values():
        assert "<dc:date>" not in svg
        assert f"fill: {PAPER}" in svg
        assert len(svg) < 200_000


def test_a_dollar_is_no_formula(make_entry: Any, make_report: Any) -> None:
    to_svgs(make_report([make_entry(r"$\frac{1}{0$ \bad", s) for s in (1, 2)]))


def test_plot_labels_stay_apart() -> None:
    labels = ["model-" + "x" * 60 + "-" + "y" * 40 + end for end in ("-left" + "z" * 30, "-mid" + "z" * 30)]
    fitted = plot_labels(labels, 30)
    assert len(set(fitted)) == 2
    assert all(len(line) <= 30 for text in fitted for line in text.split("\n"))
    assert plot_labels(["minilm · bf16"], 34) == ["minilm · bf16"]
    assert plot_labels(["google-bert/bert-base-uncased · bf16 · devices=2"], 34) == [
        "google-bert/bert-base-uncased\nbf16 · devices=2"
    ]


def test_gradient_norms_stand_beside_losses(make_entry: Any, make_report: Any) -> None:
    runs = [make_entry(seed=1), make_entry(seed=1, precision="bf16")]
    curves = {one.configuration_id: [np.linspace(1, 0, 50)] for one in runs}
    norms = {one.configuration_id: [np.linspace(4, 2, 50)] for one in runs}
    model = make_report(runs, curves=curves, norms=norms)
    loss, norm = figures(model)["loss"].axes
    assert (loss.get_ylabel(), norm.get_ylabel()) == ("training loss", "gradient norm")
    assert [line.get_ydata()[0] for line in norm.lines] == [4, 4]
    assert "Training loss and gradient norm by optimizer step" in caption(model, "loss")[1]
    (alone,) = figures(make_report(runs, curves=curves))["loss"].axes
    assert alone.get_ylabel() == "training loss"
