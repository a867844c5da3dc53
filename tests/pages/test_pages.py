"""`report --html` in a real Chromium: it is read, sorted, compared, printed, and nothing in a label does anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.checks.verdict import Fact, Side, Verdict
from harness.grid.grid import load_grid
from harness.pipelines.history import history_report
from harness.report.files import read_report
from harness.report.history.plots import history_page
from harness.report.page.page import report_page
from harness.report.run.kept import packed
from tests.checks.nights.made_up import line, steady, write
from tests.pages.conftest import ENVIRONMENT, Opened
from tests.pipelines.made_up import GRID
from tests.report.conftest import demo, make_entry, make_report

Show = Callable[..., Opened]
REPORTS = Path(__file__).parents[2] / "reports"
SCHEMES = ("light", "dark")
WIDTHS = (1280, 400)
HOSTILE = (
    "<script>window.got = 1</script>",
    "</script><img src=x onerror='window.got = 2'>",
    """quotes " ' ` onclick="window.got = 3" """,
    "[a link](javascript:window.got=4) ![](https://example.org/x.png) https://example.org/",
    "{{ 7 * 7 }} {% raw %} </title></style>",
    "שלום עולם \u202e gnp.exe",
    "long" * 500,
)


def column(page: Any, heading: str, place: int) -> list[str]:
    """The texts of a column of the first table below a heading."""
    found: list[str] = page.evaluate(
        """([heading, place]) => {
            const all = [...document.querySelectorAll("h2, table")];
            const at = all.findIndex(node => node.tagName === "H2" && node.textContent === heading);
            return [...all[at + 1].tBodies[0].rows].map(row => row.cells[place].textContent.replaceAll("\\u00a0", " "));
        }""",
        [heading, place],
    )
    return found


def sort_button(page: Any, heading: str, name: str) -> Any:
    return page.locator(f"h2:text-is('{heading}') ~ .scroll").first.get_by_role("button", name=name, exact=True)


def test_tables_sort_by_pointer_and_by_keys(show: Show) -> None:
    one = show(report_page(demo()))
    page = one.page
    before = column(page, "Results", 2)
    assert before == ["80.88 ± 0.74", "80.56 ± 0.62", "77.45 ± 1.30", "—"]
    button = sort_button(page, "Results", "Accuracy")
    button.click()
    assert column(page, "Results", 2) == ["77.45 ± 1.30", "80.56 ± 0.62", "80.88 ± 0.74", "—"]
    button.focus()
    page.keyboard.press("Enter")
    assert column(page, "Results", 2) == ["80.88 ± 0.74", "80.56 ± 0.62", "77.45 ± 1.30", "—"]
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Space")
    assert (column(page, "Results", 2), page.locator("th[aria-sort]").count()) == (before, 0)
    # Rows that go on with the one above stay below it.
    sort_button(page, "Each run", "Seed").click()
    assert column(page, "Each run", 1) == sorted(column(page, "Each run", 1), key=int)
    assert one.wrong == []


def test_curves_are_read_by_pointer_and_by_keys(show: Show) -> None:
    model = demo()
    first = model.curves[0]
    one = show(report_page(model))
    page = one.page
    box = page.locator(".chart-box").first
    value = box.locator("tbody tr").first.locator("td").first
    assert (box.locator("output").text_content(), value.text_content()) == ("200", f"{first.mean[-1]:.5g}")
    box.get_by_role("slider", name="Optimizer step").focus()
    page.keyboard.press("Home")
    assert (box.locator("output").text_content(), value.text_content()) == ("1", f"{first.mean[0]:.5g}")
    plot = box.locator(".u-over")
    plot.scroll_into_view_if_needed()
    area = plot.bounding_box()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    assert 90 <= int(box.locator("output").text_content()) <= 110
    drawn = "node => node.querySelector('canvas').toDataURL()"
    whole = box.evaluate(drawn)
    box.get_by_role("checkbox").first.press("Space")
    assert box.evaluate(drawn) != whole
    assert one.wrong == []


def test_two_runs_stand_side_by_side(show: Show) -> None:
    one = show(report_page(*_published("minilm-mrpc-cpu")))
    page = one.page

    def pair() -> dict[str, list[str]]:
        cells = page.locator("#pair tbody tr").evaluate_all(
            "rows => rows.map(r => [...r.cells].map(c => c.textContent))"
        )
        return {name: rest for name, *rest in cells}

    assert pair()["Accuracy"] == ["81.13", "80.39", "-0.74"]
    assert pair()["precision"] == ["fp32", "bf16", "differs"]
    page.get_by_label("A", exact=True).select_option(label="fp32 · seed 42")
    page.get_by_label("B", exact=True).select_option(label="fp32 · seed 1")
    assert pair()["Accuracy"] == ["78.92", "81.13", "+2.21"]
    assert pair()["precision"] == ["fp32", "fp32", ""]
    page.get_by_role("button", name="Swap A and B").press("Enter")
    assert pair()["Accuracy"] == ["81.13", "78.92", "-2.21"]
    assert page.locator("#side-by-side .chart-box tbody tr").count() == 1
    assert one.wrong == []


def test_answers_that_differ_are_counted(show: Show) -> None:
    model = demo()
    row = model.rows[0]
    truth = np.arange(408) % 3 == 0
    answers = [truth ^ (np.arange(408) < 20), truth ^ ((np.arange(408) >= 15) & (np.arange(408) < 18))]
    runs = [replace(one, answers=packed(own)) for one, own in zip(row.scores, answers, strict=False)]
    row = replace(row, scores=tuple(runs), truth=packed(truth), examples=408)
    page = show(report_page(replace(model, rows=(row,)))).page
    cells = page.get_by_role("row", name="Right where the other is wrong").locator("td").all_text_contents()
    assert cells == ["0", "17", "17 of 408 answers differ"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(show: Show, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=f"axe-playwright-python {ENVIRONMENT}")
    for model, verdicts in (_published("minilm-mrpc-cpu"), _published("throughput-cpu"), (demo(), ())):
        page = show(report_page(model, verdicts), color_scheme=scheme, viewport={"width": width, "height": 900}).page
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        found = axe.Axe().run(page).response["violations"]
        assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
    page.evaluate("document.querySelector('img, canvas').after(document.createElement('img'))")
    page.evaluate("document.body.style.color = getComputedStyle(document.body).backgroundColor")
    assert {"image-alt", "color-contrast"} <= {one["id"] for one in axe.Axe().run(page).response["violations"]}


def test_light_and_dark_by_a_button(show: Show) -> None:
    page = show(report_page(demo()), color_scheme="dark").page
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(21, 25, 30)"
    page.get_by_role("button", name="Light page").press("Enter")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.get_by_role("button", name="Dark page").click()
    assert page.evaluate(ground) == "rgb(21, 25, 30)"


def test_it_prints_light_and_whole(show: Show) -> None:
    one = show(report_page(demo()), color_scheme="dark")
    paper = one.page.pdf()
    assert paper.startswith(b"%PDF-")
    assert paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") >= 3
    one.page.emulate_media(media="print")
    assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not one.page.get_by_role("navigation").is_visible()
    assert one.page.get_by_role("columnheader", name="Accuracy").first.is_visible()
    assert one.wrong == []


def test_a_history_is_a_page_too(show: Show, tmp_path: Path) -> None:
    lines = [line(at, [speed, 2 * speed], fingerprint="ab"[at > 20] * 4) for at, speed in enumerate(steady(40))]
    (tmp_path / "grid.toml").write_text(GRID, encoding="utf-8")
    write(tmp_path / "history.jsonl", lines)
    one = show(history_page(history_report(load_grid(tmp_path / "grid.toml"), "harness history grid.toml")))
    box = one.page.locator(".chart-box").nth(1)
    box.get_by_role("slider", name="Session").press("Home")
    told = box.locator("output").text_content(), box.locator("tbody td").first.text_content()
    assert told == ("2026-01-01 02:00", f"{steady(40)[0]:.5g}")
    assert one.page.get_by_text("other weights (no score moved)").count() == 2
    assert one.wrong == []


def test_without_scripts_it_can_be_read(show: Show) -> None:
    page = show(report_page(demo()), java_script_enabled=False).page
    assert page.locator("img").count() == 2
    assert page.get_by_role("heading", name="Two runs side by side").count() == 0
    assert page.locator("noscript p", has_text="No script runs here").is_visible()


def test_a_hundred_configurations_fit(show: Show) -> None:
    entries, curves = [], {}
    for number in range(100):
        axes = {"learning_rate": round(1e-6 * (number + 1), 9)}
        for seed in range(1, 6):
            scores = {"accuracy": (300 + number % 40 + seed) / 408, "f1": 0.8 + number / 2000, "loss": 0.5}
            entries.append(make_entry(seed=seed, axes={"checkpoint": "minilm", **axes, "seed": seed}, metrics=scores))
        curves[entries[-1].configuration_id] = [
            np.exp(-np.arange(1377) / (200 + number)) + 0.1 * np.random.default_rng(seed).random(1377)
            for seed in range(5)
        ]
    text = report_page(make_report(entries, records={}, curves=curves))
    size = len(text.encode())
    print(f"{size / 1e6:.2f} MB")
    assert size < 2_000_000
    one = show(text)
    page = one.page
    assert len(column(page, "Each run", 1)) == 500
    box = page.locator(".chart-box").first
    assert box.get_by_role("checkbox", checked=True).count() == 8
    box.get_by_role("button", name="Show all").click()
    assert box.get_by_role("checkbox", checked=True).count() == 100
    page.get_by_label("B", exact=True).select_option(label="learning_rate=0.0001 · seed 5")
    assert (
        page.locator("#pair tbody tr").filter(has_text="learning_rate").locator("td").all_text_contents()[1] == "0.0001"
    )
    assert one.wrong == []


def test_hostile_labels_do_nothing(show: Show) -> None:
    entries, curves = [], {}
    for label in HOSTILE:
        for seed in (1, 2):
            entries.append(make_entry(label, seed, axes={"checkpoint": label, "note": label, "seed": seed}))
        entries.append(make_entry(label, 3, "bf16", status="failed", metrics={}, error=f"ValueError: {label}"))
        curves[entries[-2].configuration_id] = [np.linspace(1, 0, 50)]
    side = Side(HOSTILE[0])
    verdicts = [Verdict("stability", "PASS", side, Fact.of("cells.skipped", why=HOSTILE[1]), item="cells")]
    model = make_report(entries, records={}, curves=curves, title=HOSTILE[0], notes=HOSTILE)
    for width in WIDTHS:
        one = show(report_page(model, verdicts), viewport={"width": width, "height": 900})
        page = one.page
        choices = page.locator("#run-a option").all_text_contents()
        for place, choice in enumerate(choices):
            page.get_by_label("A", exact=True).select_option(value=str(place))
            assert page.locator("#pair tbody tr").filter(has_text="note").count() == 1, choice
        for button in page.locator("th > button").all():
            button.click()
        assert choices[0] == f"{HOSTILE[0]} · {HOSTILE[0]} · seed 1" or HOSTILE[0] in choices[0]
        assert page.evaluate("window.got") is None
        assert page.evaluate("document.querySelectorAll('script').length") == 2
        assert page.locator("img:not([src^='data:image/svg+xml'])").count() == 0
        assert page.locator("a:not([href^='#'])").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert "49" not in page.title()
        assert one.wrong == []


def _published(name: str) -> tuple[Any, Any]:
    data = read_report(REPORTS / f"{name}.json")
    return data.model, data.verdicts
