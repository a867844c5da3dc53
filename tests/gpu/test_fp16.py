"""fp16 with a loss scaler, on a CPU: what overflows, what waits for it, and that all ways of training are equal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from harness.record.parts.fingerprint import Fingerprint, LossScale  # noqa: E402
from tests.gpu.conftest import FIRST_SCALE, RESUMES  # noqa: E402
from tests.subject.engines.cells import Cells  # noqa: E402

REPOSITORY = Path(__file__).parents[2]
PLANT = Path(__file__).parent / "plant"
STEPS = 50


def loss_scale(result: dict[str, Any]) -> LossScale:
    found = Fingerprint(**result["observed"]["fingerprint"])
    assert found.precision is not None
    assert (found.precision.name, found.precision.share) == ("fp16", 1.0)
    assert found.loss_scale is not None
    return found.loss_scale


@pytest.mark.parametrize("optim", ["adamw_torch_fused", "adamw_torch"])
def test_the_engines_are_equal_to_the_last_bit(cells: Cells, fp16: None, optim: str) -> None:
    recipe = {"precision": "fp16", "max_steps": STEPS, "optim": optim, "dropout": True}
    result, series, _ = cells.run("trainer", accepts_loss_kwargs=False, **recipe)
    scale = loss_scale(result)
    assert scale.initial == 2.0**FIRST_SCALE
    assert 3 <= scale.skipped_steps == scale.nonfinite_steps <= 10
    assert scale.final == scale.minimum == 2.0 ** (FIRST_SCALE - scale.skipped_steps)
    over = ~np.isfinite(series["grad_norm"])
    waited = np.flatnonzero(np.diff(series["learning_rate"]) == 0)
    assert waited.tolist() == ([] if optim == "adamw_torch_fused" else np.flatnonzero(over[:-1]).tolist())
    for engine in ("loop", "accelerate"):
        twin, its_series, _ = cells.run(engine, **recipe)
        assert loss_scale(twin) == scale
        for name in ("loss", "micro_loss", "grad_norm", "learning_rate", "logits"):
            np.testing.assert_array_equal(its_series[name], series[name], err_msg=f"{engine}: {name}")
        for part in ("final_sha256", "trajectory_sha256", "data_order_sha256", "precision", "optimizer_steps"):
            assert twin["observed"]["fingerprint"][part] == result["observed"]["fingerprint"][part], (engine, part)


@RESUMES
@pytest.mark.parametrize("resume_at", [2, 12])
def test_a_resumed_run_goes_on_with_its_scale(cells: Cells, fp16: None, resume_at: int) -> None:
    """Inside the overflows, and after the last of them."""
    recipe = {"precision": "fp16", "max_steps": 20, "eval_strategy": "no"}
    whole, series, _ = cells.run("trainer", **recipe)
    resumed, rest, _ = cells.run("trainer", resume_at=resume_at, **recipe)
    over = int((~np.isfinite(series["grad_norm"][:resume_at])).sum())
    assert over >= 2
    assert loss_scale(resumed).initial == 2.0 ** (FIRST_SCALE - over)
    assert loss_scale(resumed).final == loss_scale(whole).final
    assert loss_scale(resumed).skipped_steps == loss_scale(whole).skipped_steps - over
    for name in ("loss", "grad_norm", "learning_rate"):
        np.testing.assert_array_equal(rest[name], series[name][resume_at:], err_msg=name)
    assert resumed["observed"]["weights"]["final_sha256"] == whole["observed"]["weights"]["final_sha256"]


def test_a_run_that_never_stepped_is_no_run(cells: Cells, fp16: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.amp.GradScaler.__init__, "__defaults__", ("cuda", 2.0**60))
    result, series, _ = cells.run("trainer", precision="fp16", max_steps=4)
    assert result["status"] == "nonfinite"
    assert np.isfinite(series["loss"]).all()
    assert loss_scale(result).skipped_steps == 4


GRID = """
name = "half"
task = "embedded/paraphrase"
accepts_loss_kwargs = false
[recipe]
per_device_train_batch_size = 32
[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [42]
precision = ["fp16"]
optim = ["adamw_torch_fused", "adamw_torch"]
devices = [1, 2]
"""


@pytest.mark.slow
def test_verify_finds_every_item_right(tmp_path: Path) -> None:
    """Trainer alone and on two ranks; the loops where nothing must be worked around."""
    (tmp_path / "half.toml").write_text(GRID, encoding="utf-8")
    loops = GRID.replace("half", "loops").replace("accepts_loss_kwargs = false\n", "")
    loops = loops.replace("devices = [1, 2]", 'devices = [1, 2]\nengine = ["loop", "accelerate"]')
    (tmp_path / "loops.toml").write_text(f'{loops}exclude = [{{ engine = "loop", devices = 2 }}]\n', encoding="utf-8")
    variables = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(PLANT), str(REPOSITORY)]), "HF_HUB_OFFLINE": "1",
        "HARNESS_CACHE": str(tmp_path / "cache"), "HARNESS_TEST_LOSS_SCALE": str(2.0**FIRST_SCALE),
        "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    for grid, runs in (("half", 8), ("loops", 12)):
        command = [sys.executable, "-m", "harness", "verify", f"{grid}.toml", "--only", "repeat", "-o", f"{grid}.md"]
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        verdicts = json.loads((tmp_path / f"{grid}.json").read_text(encoding="utf-8"))["verdicts"]
        assert [one["outcome"] for one in verdicts] == ["PASS"] * len(verdicts)
        items = [{each["item"] for each in one["findings"]} for one in verdicts if one["check"] == "fidelity"]
        assert len(items) == runs
        assert all({"precision", "overflow", "learning rate", "optimizer steps", "logged loss"} <= one for one in items)
