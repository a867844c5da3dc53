"""`check` where a reference fits nothing: nothing was judged, and that is told."""

from __future__ import annotations

import pytest

from harness.fact import Fact
from harness.report.phrases.say import say
from tests.pipelines.made_up import BAD, GRID, REFERENCE, WITHOUT, Night, check, outcomes


def test_a_grid_that_compares_its_scores_with_nothing_is_exit_5(night: Night) -> None:
    night.write(WITHOUT)
    night.fill()
    night.means()
    found = check(night)
    assert (outcomes(found), found.exit_code) == ({"PASS stability": 1}, 5)
    night.write(f'{WITHOUT}[quality]\nreferences = "none"\n')
    assert check(night).exit_code == 0


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (
            '[[reference]]\nid = "hf-course-ch3"\n',
            "hf-course-ch3: not compared, other task (glue/mrpc, here embedded/paraphrase)",
        ),
        (
            REFERENCE.replace('checkpoint = "embedded/tiny-bert"', 'checkpoint = "embeded/tiny-bert"'),
            "published: not compared, fits no checkpoint of this grid (embeded/tiny-bert, here embedded/tiny-bert); "
            "did you mean embedded/tiny-bert?",
        ),
    ],
    ids=["task", "checkpoint"],
)
def test_references_that_fit_nothing_are_nothing(night: Night, reference: str, said: str) -> None:
    night.write(WITHOUT + reference)
    night.fill(BAD)
    night.means()
    found = check(night)
    assert (found.exit_code, [say(note) for note in found.notes]) == (5, [say(Fact.of("judged.nothing")), said])
    assert check(night, inconclusive="pass").exit_code == 5


def test_a_reference_that_fits_nothing_beside_one_that_fits_is_told(full: Night) -> None:
    full.write(GRID + '[[reference]]\nid = "hf-course-ch3"\n')
    found = check(full)
    assert (found.exit_code, [note.code for note in found.notes]) == (0, ["reference.other_task"])


def test_a_reference_may_name_a_checkpoint_as_the_grid_does(night: Night) -> None:
    named = GRID.replace('checkpoint = ["embedded/tiny-bert"]', 'checkpoint = ["mini"]')
    named = named.replace('checkpoint = "embedded/tiny-bert"', 'checkpoint = "mini"')
    night.write(f'{named}[checkpoint.mini]\nfrom = "embedded/tiny-bert"\n')
    night.fill()
    night.means()
    assert (check(night).exit_code, check(night).notes) == (0, ())
