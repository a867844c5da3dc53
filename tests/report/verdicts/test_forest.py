"""The forest plot: every row within the page, nothing overlapping, the same bytes again; and told in words."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest

from harness.checks.verdict import Verdict
from harness.report.format.svg import BLUE, INK, ORANGE
from harness.report.verdicts.forest import MOST_ROWS, THICK, drawn, forest_caption, forest_figure, forest_svg
from tests.report.verdicts.made_up import cases, decided, decision, named, plain, quality, said

LONG = "sentence-transformers/all-MiniLM-L6-v2-with-quite-a-long-name"


def many() -> list[Verdict]:
    return [
        quality(
            (350 - i, 352, 347 - 2 * i, 349, 351),
            85.78,
            f"{LONG} · {p} · devices=2 · learning_rate={i}e-05",
            against=f"a-reference-with-a-long-identifier-{i}",
        )
        for i in range(20)
        for p in ("fp32", "bf16")
    ]


def figure_of(verdicts: list[Verdict]) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = forest_figure(verdicts)
    assert figure is not None
    FigureCanvasAgg(figure).draw()
    return figure


@pytest.mark.parametrize("verdicts", [cases(), many(), [decided()]], ids=["cases", "many", "one"])
def test_nothing_is_cut_or_overlaps(verdicts: list[Verdict]) -> None:
    figure = figure_of(verdicts)
    page = figure.bbox
    axes = figure.axes[0]
    words = [text for text in axes.texts if text.get_text()]
    boxes = [text.get_window_extent() for text in words]
    assert len(boxes) == len(drawn(verdicts))
    for box in boxes:
        assert box.x0 >= page.x0 - 0.5
        assert box.x1 <= page.x1 + 0.5
        assert box.y0 >= page.y0 - 0.5
        assert box.y1 <= page.y1 + 0.5
    # Below each row's words there is room for what is drawn of it, and only then the next one's words.
    tall = THICK * figure.dpi
    below = [box.y1 for box in boxes[1:]] + [axes.get_window_extent().y0]
    assert all(box.y0 - tall >= next_one - 0.5 for box, next_one in zip(boxes, below, strict=True))
    assert axes.get_window_extent().width > 0.9 * page.width
    assert axes.xaxis.label.get_window_extent().width <= page.width
    (legend,) = figure.legends
    assert legend.get_window_extent().x0 >= page.x0
    assert legend.get_window_extent().x1 <= page.x1
    assert legend.get_window_extent().y1 <= axes.xaxis.label.get_window_extent().y0


def test_colour_and_shape_by_outcome() -> None:
    axes = figure_of(cases()).axes[0]
    marks = {(line.get_marker(), line.get_color()) for line in axes.lines if line.get_marker() in ("o", "D", "X")}
    assert marks == {("o", BLUE), ("D", INK), ("X", ORANGE)}


def test_what_is_drawn_is_where_it_belongs() -> None:
    one = decided()
    numbers = decision(one)
    axes = figure_of([one]).axes[0]
    (interval,) = (line for line in axes.lines if line.get_linewidth() == 2.4)
    assert list(interval.get_xdata()) == pytest.approx(numbers.ci_pass)
    mark = next(line for line in axes.lines if line.get_marker() == "o")
    assert mark.get_xdata()[0] == pytest.approx(numbers.difference)
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.x0, band.x1) == pytest.approx((-2.5, 2.5))
    low, high = axes.get_xlim()
    assert low < -2.5
    assert high > 2.5


def test_a_vague_interval_hides_nothing() -> None:
    vague = quality((350, 330), 85.78, "minilm · fp32")
    axes = figure_of([vague, decided()]).axes[0]
    assert axes.get_xlim()[1] < 10
    assert {line.get_marker() for line in axes.lines} >= {"<", ">"}
    assert "An arrowhead" in forest_caption([vague])[1]
    assert "An arrowhead" not in forest_caption([decided()])[1]


def test_the_axis_says_who_is_better_where_all_rows_agree() -> None:
    both = [replace(named(decided(), "minilm · bf16", "minilm · fp32"), check="parity")] * 2
    assert figure_of(both).axes[0].get_xlabel() == "bf16 worse ←  difference, points  → better"
    assert figure_of([*both, decided()]).axes[0].get_xlabel() == "worse ←  difference, points  → better"


def test_lower_only_has_no_upper_margin() -> None:
    axes = figure_of([cases()[4]]).axes[0]
    band = axes.collections[0].get_paths()[0].get_extents()
    assert band.x0 == pytest.approx(-2.5)
    assert band.x1 == pytest.approx(axes.get_xlim()[1])


def test_limit_is_said() -> None:
    assert len(drawn(many())) == MOST_ROWS
    assert f"Shown: the worst {MOST_ROWS} of 40 verdicts; the table has all." in forest_caption(many())[1]
    assert "Shown" not in forest_caption(cases())[1]


def test_words_for_who_cannot_see_it() -> None:
    alt, _ = forest_caption([decided()])
    assert alt == (
        "Differences in points with 90 % intervals, against the margin. 1 verdict: 1 PASS. "
        "PASS google-bert/bert-base-uncased · fp32 against hf-course-ch3 -0.04 (-0.49 to +0.40)"
    )
    assert forest_caption(cases())[0].count(";") == 2
    svg = forest_svg([named(decided(), "<b>&\x00", "hf-course-ch3")])
    assert svg is not None
    title = ET.fromstring(svg).find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text is not None
    assert "<b>&\ufffd against hf-course-ch3" in title.text


def test_nothing_to_draw() -> None:
    assert forest_svg([]) is None
    assert forest_svg([plain("SKIP", said("no GPU")), plain("ERROR", said("oom"))]) is None
    broken = decided(numbers=replace(decision(decided()), difference=math.nan))
    assert forest_svg([broken]) is None


def test_same_bytes() -> None:
    assert forest_svg(cases()) == forest_svg(cases())
