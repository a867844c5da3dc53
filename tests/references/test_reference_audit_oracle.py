"""The arithmetic of the audit against an oracle of fractions: every table is found, and nothing else."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.references import audit_values
from harness.references.tables import Examples, Printed, Table, fitting, shard_fits


@st.composite
def tables(draw: st.DrawFn, most: int = 40) -> tuple[Examples, Table]:
    total = draw(st.integers(1, most))
    positive = draw(st.integers(0, total))
    tp = draw(st.integers(0, positive))
    tn = draw(st.integers(0, total - positive))
    return Examples("small", total, positive), Table(tp, total - positive - tn, positive - tp, tn)


def fractions(table: Table) -> tuple[Fraction, Fraction]:
    return Fraction(table.correct, table.total), Fraction(2 * table.tp, max(2 * table.tp + table.fp + table.fn, 1))


def printed(value: Fraction, decimals: int | None, rounding: str = ROUND_HALF_EVEN) -> Printed:
    if decimals is None:
        return Printed(value.numerator / value.denominator)
    # Whole units, then rounded: 60 digits keep ties and everything near them exact.
    scaled = Decimal(value.numerator * 10**decimals) / Decimal(value.denominator)
    return Printed(float(scaled.to_integral_value(rounding) / 10**decimals), decimals)


DECIMALS = st.one_of(st.none(), st.integers(1, 12))


@given(tables(), DECIMALS, st.sampled_from([ROUND_HALF_EVEN, ROUND_HALF_UP]))
def test_every_table_is_found_again_by_its_own_rounded_pair(
    drawn: tuple[Examples, Table], decimals: int | None, rounding: str
) -> None:
    examples, table = drawn
    accuracy, f1 = (printed(value, decimals, rounding) for value in fractions(table))
    for pair in ((accuracy, f1), (accuracy, None), (None, f1)):
        count, found, correct = fitting(examples, *pair)
        assert count >= 1
        assert table in found or count > len(found)
        assert table.correct in correct


@given(tables(), DECIMALS)
def test_every_table_found_is_one_of_the_split(drawn: tuple[Examples, Table], decimals: int | None) -> None:
    examples, table = drawn
    accuracy, f1 = (printed(value, decimals) for value in fractions(table))
    for pair in ((accuracy, f1), (accuracy, None), (None, f1)):
        for found in fitting(examples, *pair)[1]:
            assert found.total == examples.total
            assert found.tp + found.fn == examples.positive
            assert min(found.tp, found.fp, found.fn, found.tn) >= 0


@settings(max_examples=200)
@given(tables(14), st.integers(1, 5), st.integers(0, 10**5), st.integers(0, 10**5))
def test_exactly_what_fractions_say_fits(
    drawn: tuple[Examples, Table], decimals: int, accuracy_units: int, f1_units: int
) -> None:
    examples, _ = drawn
    scale = 10**decimals
    a, f = accuracy_units % (scale + 1), f1_units % (scale + 1)
    half = Fraction(1, 2 * scale)
    expected = []
    for tp in range(examples.positive + 1):
        for tn in range(examples.negative + 1):
            table = Table(tp, examples.negative - tn, examples.positive - tp, tn)
            accuracy, f1 = fractions(table)
            if abs(accuracy - Fraction(a, scale)) <= half and abs(f1 - Fraction(f, scale)) <= half:
                expected.append(table)
    count, found, correct = fitting(examples, Printed(a / scale, decimals), Printed(f / scale, decimals))
    assert count == len(expected)
    assert set(found) == set(expected[:64])
    assert set(correct) == {table.correct for table in expected}


@given(tables(), st.integers(1, 6))
def test_digits_cut_off_are_found_as_cut(drawn: tuple[Examples, Table], decimals: int) -> None:
    examples, table = drawn
    accuracy, f1 = (printed(value, decimals, ROUND_DOWN) for value in fractions(table))
    count, found, _ = fitting(examples, accuracy, f1, "cut")
    assert table in found or count > len(found)


@given(st.integers(1, 279), st.integers(0, 129))
def test_a_pair_of_whole_floats_has_one_table(tp: int, tn: int) -> None:
    table = Table(tp, 129 - tn, 279 - tp, tn)
    found = audit_values(Printed(table.accuracy), Printed(table.f1))
    assert (found.verdict, found.tables) == ("unique", (table,))


@given(tables(30), st.data(), DECIMALS)
def test_a_part_of_a_split_fits_as_a_shard(
    drawn: tuple[Examples, Table], data: st.DataObject, decimals: int | None
) -> None:
    examples, table = drawn
    names = ("tp", "fp", "fn", "tn")
    part = Table(*(data.draw(st.integers(0, getattr(table, name)), label=name) for name in names))
    if part.total:
        accuracy, f1 = (printed(value, decimals) for value in fractions(part))
        assert shard_fits(examples, part.total, accuracy, f1)
        assert shard_fits(examples, part.total, accuracy, None)
