"""LoRA as an axis of a grid: its cells run, on ranks too, and are what they were asked to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.checks.verify.fidelity import fidelity
from harness.record.run import read_run

pytest.importorskip("peft", reason="needs the package peft: pip install peft")

LORA = '{ method = "lora", r = %d, alpha = 16, targets = ["query", "value"] }'


@pytest.mark.slow
def test_ranks_and_whole_models_are_told_apart_by_what_is_trained(house: Any) -> None:
    more = f"peft = [false, {LORA % 4}, {LORA % 8}]\ndevices = [1, 2]\ndropout = [false]\naccepts_loss_kwargs = [false]"
    house.grid([1], max_steps=4, more=more)
    code, output = house.run()
    assert code == 0, output
    runs = [read_run(house.store.folder / entry.path) for entry in house.scanned()]
    found = {((run.record.asked.recipe.get("peft") or {}).get("r"), run.record.asked.devices): run for run in runs}
    assert len({run.record.configuration_id for run in runs}) == len(found) == 6
    for (r, _), run in found.items():
        observed = run.record.observed
        trained = None if observed.adapter is None else observed.adapter.trainable
        assert trained == (None if r is None else r * 256 + 66)
        assert ("peft" in observed.packages) == (r is not None)
        wrong = [finding.item for finding in fidelity(run).failures]
        assert wrong == []
    for r in (4, 8):
        one, two = found[r, 1], found[r, 2]
        assert one.record.observed.weights.init_sha256 == two.record.observed.weights.init_sha256
        assert one.record.observed.adapter.frozen_sha256 == two.record.observed.adapter.frozen_sha256
        np.testing.assert_allclose(two.series["loss"], one.series["loss"], rtol=1e-5)
    assert found[4, 1].record.observed.adapter.sha256 != found[8, 1].record.observed.adapter.sha256
