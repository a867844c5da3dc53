"""No grid, however broken, gives a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Make = Callable[..., Any]


PIECES = st.sampled_from([
    'name = "x"', "name = 3", 'task = "embedded/paraphrase"', "task = []", "[recipe]", "learning_rate = nan",
    "seed = 1", "[matrix]", 'checkpoint = ["a", "a"]', 'checkpoint = "embedded/tiny-bert"', "seed = [1, 2]",
    "seed = []",
    'precision = ["fp8"]', "exclude = [{seed = 1}]", "include = 7", "[matrix.seed]", "[[reference]]", 'id = "x"',
    "[require]", 'accelerator = "tpu"', "devices = -1", "[execution]", "slots = 0", "[[matrix]]", "= 1", '"', "\x00",
    "[checkpoint.x]", 'from = "pypi:"', "output_dir = '/'", "\ufeff", "a.b.c = 1979-05-27",
    "x = 0x" + "f" * 5000, "y = [[[[[[[[",
])  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.lists(PIECES, max_size=12).map("\n".join).map(str.encode) | st.binary(max_size=60))
def test_broken_grids_never_show_a_traceback(harness: Make, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    code, out, err = harness("validate", str(path))
    assert code in (0, 2), err
    if code == 2:
        assert out == ""
        assert err.startswith("error: ")
        assert "broken.toml" in err
