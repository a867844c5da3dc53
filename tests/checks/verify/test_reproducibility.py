from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.checks.verdict import Fact
from harness.checks.verify.reproducibility import claimed, reproducibility
from harness.record.run import Run

MakeRun = Callable[..., Run]
Planted = Callable[..., Run]


def test_two_equal_runs_pass_whatever_their_times(plain_run: Run, planted: Planted) -> None:
    again = planted(
        plain_run,
        {"asked.repeat": 2, "measured.seconds.train": 9.0, "measured.peak_memory_mib": {"process": 1.0}},
        step_seconds=plain_run.series["step_seconds"] * 3,
    )
    verdict = reproducibility(plain_run, again)
    assert (verdict.outcome, verdict.failures) == ("PASS", ())
    assert verdict.reason == Fact.of("repeat.equal", steps=12)
    assert verdict.against is not None
    assert (verdict.check, verdict.item) == ("reproducibility", "")
    assert (verdict.subject.cell_ids, verdict.against.environment_id) == ((again.record.cell_id,), "e")


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("loss", "logged loss"),
        ("micro_loss", "the model's own loss"),
        ("grad_norm", "gradient norm"),
        ("learning_rate", "learning rate"),
        ("logits", "logits"),
    ],
)
def test_the_last_bit_of_any_series_counts(plain_run: Run, planted: Planted, name: str, item: str) -> None:
    array = plain_run.series[name].copy()
    array[3] = np.nextafter(array[3], np.inf)
    verdict = reproducibility(plain_run, planted(plain_run, **{name: array}))
    assert verdict.outcome == "FAIL"
    (finding,) = verdict.failures
    assert (finding.item, finding.step) == (item, None if name == "logits" else 3)


def test_the_first_difference_is_named_before_what_follows(plain_run: Run, planted: Planted) -> None:
    norm, micro = (plain_run.series[name].copy() for name in ("grad_norm", "micro_loss"))
    norm[2:] *= np.float32(1.1)
    micro[5:] *= np.float32(1.1)
    other = planted(plain_run, {"observed.weights.final_sha256": "0" * 64}, grad_norm=norm, micro_loss=micro)
    verdict = reproducibility(plain_run, other)
    assert verdict.reason.code == "repeat.first_difference"
    assert dict(verdict.reason.values) == {
        "item": "gradient norm",
        "step": 2,
        "later": ["the model's own loss", "final weights"],
        "claimed": True,
    }
    assert [finding.cause for finding in verdict.failures] == ["grad_norm", "micro_loss", "final weights"]


def test_other_initial_weights_are_said_first_and_alone(plain_run: Run, planted: Planted) -> None:
    changes = {
        "observed.weights.init_sha256": "0" * 64,
        "observed.fingerprint.init_sha256": "0" * 64,
        "observed.weights.final_sha256": "1" * 64,
    }
    loss = plain_run.series["loss"] * np.float32(2)
    verdict = reproducibility(plain_run, planted(plain_run, changes, loss=loss))
    assert [finding.item for finding in verdict.failures] == ["initial weights"]
    assert (verdict.reason.values["item"], verdict.reason.values["step"]) == ("initial weights", None)
    assert verdict.reason.values["later"] == ["logged loss", "final weights"]


@pytest.mark.parametrize("field", ["loss_sha256", "trajectory_sha256", "data_order_sha256"])
def test_hashes_count_where_the_series_are_lost(plain_run: Run, planted: Planted, field: str) -> None:
    lost = Run(plain_run.record, {})
    assert reproducibility(lost, lost).outcome == "PASS"
    other = Run(planted(plain_run, {f"observed.fingerprint.{field}": "0" * 64}).record, {})
    assert reproducibility(lost, other).outcome == "FAIL"
    # Here nothing but the hash differs: it has no name in the comparison, and is found all the same.
    assert reproducibility(plain_run, planted(plain_run, {f"observed.fingerprint.{field}": "0" * 64})).outcome == "FAIL"


def test_what_cuda_does_not_claim_is_inconclusive_but_may_pass(plain_run: Run, planted: Planted) -> None:
    cuda = planted(plain_run, {"observed.model.device": "cuda:0"})
    other = planted(cuda, loss=plain_run.series["loss"] * np.float32(1.0001))
    assert (claimed(plain_run), claimed(cuda)) == (True, False)
    assert reproducibility(cuda, cuda).outcome == "PASS"
    verdict = reproducibility(cuda, other)
    assert verdict.outcome == "INCONCLUSIVE"
    assert verdict.reason.values["claimed"] is False
    promise = {"observed.determinism.deterministic_algorithms": True}
    assert reproducibility(planted(cuda, promise), planted(other, promise)).outcome == "FAIL"


@pytest.mark.parametrize("changes", [{"asked.seed": 1}, {"environment_id": "other"}, {"observed.threads": 2}])
def test_runs_of_different_cells_or_places_are_no_repetition(
    plain_run: Run, planted: Planted, changes: dict[str, object]
) -> None:
    verdict = reproducibility(plain_run, planted(plain_run, changes))
    assert (verdict.outcome, verdict.reason.code) == ("INCONCLUSIVE", "repeat.other")


def test_a_failed_repetition_is_an_error(plain_run: Run, planted: Planted) -> None:
    failure = {"type": "RuntimeError", "message": "boom", "details": ""}
    verdict = reproducibility(plain_run, planted(plain_run, {"status": "failed", "failure": failure}))
    assert verdict.outcome == "ERROR"
    why = Fact.of("run.failure", type="RuntimeError", message="boom")
    assert verdict.reason.values["why"] == Fact.of("run.errored", status="failed", why=why)
