"""What a loop does not know is refused, and what it knows are real arguments."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("datasets")

from harness.errors import SpecError
from harness.grid.arguments import OVERLAY, frozen_defaults, frozen_versions, table
from harness.subject import arguments as subject_arguments
from harness.subject.engines import supported
from tests.subject.engines.loops import LOOPS

REFUSED = {
    "label_smoothing_factor": (0.1, "0.0"),
    "torch_compile": (True, "False"),
    "train_sampling_strategy": ("group_by_length", "'random'"),
    "neftune_noise_alpha": (5.0, "None"),
    "activation_checkpointing": (True, "None"),
    "optim": ("adafactor", "'adamw_torch' or 'adamw_torch_fused'"),
    "lr_scheduler_type": ("reduce_lr_on_plateau", "'linear' or 'cosine'"),
    "save_strategy": ("steps", "'no'"),
    "eval_strategy": ("steps", "'no' or 'epoch'"),
    "eval_on_start": (True, "False"),
    "remove_unused_columns": (False, "True"),
    "accelerator_config": ({"split_batches": True}, "None"),
    "no_such_argument": (1, "none of its values"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("engine", LOOPS)
def test_what_a_loop_does_not_know_is_refused(engine: str, name: str) -> None:
    value, allowed = REFUSED[name]
    with pytest.raises(SpecError) as caught:
        supported.check(engine, {"devices": 1}, {**OVERLAY, name: value})
    assert f'argument {name}: got {value!r}; engine "{engine}" allows {allowed}' in str(caught.value)


def test_the_tables_name_real_arguments() -> None:
    known = {*supported.HONOURED, *supported.WITHOUT_EFFECT, *supported.ALLOWED}
    assert known <= set(table()["fields"])
    assert not supported.HONOURED & supported.WITHOUT_EFFECT
    defaults = subject_arguments.in_todays_names(subject_arguments.installed_defaults())
    for engine in LOOPS:
        for version in frozen_versions():
            supported.check(engine, {"devices": 1}, {**frozen_defaults(version), **OVERLAY})
        supported.check(engine, {"devices": 1}, {**defaults, **OVERLAY})
