"""Waivers: what they cover, until when, and that a wrong one names its field."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from harness.checks.verdict import Check, Side
from harness.grid.waivers import CHECKS, Waiver, applies, ledger, waiver_problems
from harness.validation import explain

Make = Callable[..., Any]
LAST = datetime.date(2026, 12, 31)
NEXT = datetime.date(2027, 1, 1)
SOUND = {
    "configuration": "minilm · bf16",
    "check": "quality",
    "reason": "upstream defect, see #47688",
    "author": "Ada",
    "expires": "2026-12-31",
}


WHOM = Side("minilm · bf16", "0123456789abcdef0123")


@dataclass(frozen=True)
class Judged:
    check: str = "quality"
    outcome: str = "FAIL"
    subject: Side = WHOM


def waiver(**changes: Any) -> Waiver:
    return Waiver.model_validate({**SOUND, **changes})


def problem(**changes: Any) -> str:
    try:
        waiver(**changes)
    except ValidationError as error:
        (line,) = explain(error, Waiver, "g.toml")
        return line
    return ""


def test_every_check_of_scores_can_be_waived() -> None:
    assert set(CHECKS) < set(get_args(Check))


def test_it_holds_on_its_last_day_and_not_after() -> None:
    one = waiver()
    assert one.expires == LAST
    assert applies([one], Judged(), LAST) is one
    assert applies([one], Judged(), NEXT) is None


@pytest.mark.parametrize(
    "judged",
    [
        Judged(check="parity"),
        Judged(subject=Side("minilm")),
        Judged(outcome="INCONCLUSIVE"),
        Judged(outcome="ERROR"),
        Judged(outcome="PASS"),
    ],
)
def test_it_covers_a_failure_of_its_check_and_configuration_alone(judged: Judged) -> None:
    assert applies([waiver()], judged, LAST) is None


def test_a_configuration_may_be_named_by_its_id() -> None:
    one = waiver(configuration="0123456789abcdef0123")
    assert applies([waiver(check="parity"), one], Judged(), LAST) is one


def test_every_waiver_is_counted_also_those_that_do_nothing() -> None:
    used, unused = waiver(), waiver(configuration="other")
    void = waiver(check="parity", expires="2026-11-30")
    uses = ledger([used, unused, void], [Judged(), Judged(), Judged(check="parity"), Judged(outcome="PASS")], LAST)
    assert [(use.waiver, use.state, use.failures) for use in uses] == [
        (used, "used", 2),
        (unused, "unused", 0),
        (void, "void", 1),
    ]


def test_a_void_waiver_does_not_claim_what_another_covers() -> None:
    void, used = waiver(expires="2026-11-30"), waiver()
    assert [(use.state, use.failures) for use in ledger([void, used], [Judged()], LAST)] == [("void", 0), ("used", 1)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expires": "31.12.2026"}, 'expires: got "31.12.2026"; allowed a day as text, such as "2026-12-31"'),
        ({"expires": "20261231"}, 'expires: got "20261231"; allowed a day'),
        ({"expires": "2026-W53-4"}, "expires: got"),
        ({"expires": "2026-02-30"}, 'expires: got "2026-02-30"; allowed a day'),
        ({"expires": "2026-12-31T00:00"}, "expires: got"),
        ({"expires": "٢٠٢٦-12-31"}, "expires: got"),
        ({"expires": 20261231}, "expires: got 20261231; allowed a day"),
        (
            {"check": "qualty"},
            'check: got "qualty"; allowed quality, parity, stability, baseline; did you mean quality?',
        ),
        ({"reason": ""}, 'reason: got ""; allowed 1 to 300'),
        ({"author": "  "}, "author: got"),
        ({"configuration": 3}, "configuration: got 3; allowed text in quotes"),
        ({"until": "x"}, 'until: got "x"; not a key here; allowed configuration, check, reason, author, expires'),
    ],
)
def test_a_wrong_waiver_names_its_field(changes: dict[str, Any], said: str) -> None:
    assert problem(**changes).startswith(f"g.toml: {said}")


def test_a_date_is_taken_as_it_is_but_no_time() -> None:
    assert waiver(expires=LAST).expires == LAST
    assert "expires" in problem(expires=datetime.datetime(2026, 12, 31, tzinfo=datetime.UTC))


def test_every_field_is_required() -> None:
    for name in SOUND:
        with pytest.raises(ValidationError) as caught:
            Waiver.model_validate({key: value for key, value in SOUND.items() if key != name})
        assert explain(caught.value, Waiver, "g.toml") == [f"g.toml: {name}: missing; it is required"]


def test_a_configuration_must_be_one_of_the_grid(cell_of: Make) -> None:
    cells = [
        cell_of(seed=seed, precision=precision, axes={"precision": precision, "seed": seed})
        for seed in (1, 2)
        for precision in ("fp32", "bf16")
    ]
    labels = {cell.configuration_label for cell in cells}
    assert labels == {"embedded/tiny-bert · fp32", "embedded/tiny-bert · bf16"}
    label = cells[0].configuration_label
    sound = [waiver(configuration=label), waiver(configuration=cells[1].configuration_id)]
    assert list(waiver_problems(sound, cells, "g.toml")) == []
    wrong = label.replace("fp32", "fp23")
    (line,) = waiver_problems([waiver(configuration=wrong)], cells, "g.toml")
    assert line.startswith(f'g.toml: waiver[0].configuration: got "{wrong}"; allowed a configuration id, or "')
    assert line.endswith(f"; did you mean {label}?")


def test_two_waivers_of_one_check_are_refused_also_by_label_and_id(cell_of: Make) -> None:
    cell = cell_of(axes={"precision": "fp32"})
    twice = [waiver(configuration=cell.configuration_label), waiver(configuration=cell.configuration_id)]
    (line,) = waiver_problems(twice, [cell], "g.toml")
    said = f'got "{cell.configuration_id}" again for check "quality"; allowed once a check'
    assert line == f"g.toml: waiver[1].configuration: {said}"
    other = [twice[0], waiver(configuration=cell.configuration_id, check="stability")]
    assert list(waiver_problems(other, [cell], "g.toml")) == []
