"""The same cell again and again: the same fingerprint to the last bit, in fp32 and bf16, on 1 and on 2 ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

TIMES = ("step_seconds", "data_seconds")


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("repeats", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_repeats_are_equal_to_the_last_bit(house: Any, repeats: int) -> None:
    more = f'repeat = {list(range(1, repeats + 1))}\nprecision = ["fp32", "bf16"]\ndevices = [1, 2]'
    house.grid([42], max_steps=6, more=more)
    code, output = house.run(timeout=1400)
    assert code == 0, output
    fingerprints: dict[tuple[str, int], list[Any]] = {}
    arrays: dict[tuple[str, int], list[dict[str, bytes]]] = {}
    store = house.store
    for entry in store.entries():
        key = (entry.precision, entry.devices)
        fingerprints.setdefault(key, []).append(store.record(entry).observed.fingerprint)
        with np.load(store.series_path(entry)) as series:
            arrays.setdefault(key, []).append({n: series[n].tobytes() for n in series.files if n not in TIMES})
    assert {key: len(found) for key, found in fingerprints.items()} == {
        (precision, devices): repeats for precision in ("fp32", "bf16") for devices in (1, 2)
    }
    for key, found in fingerprints.items():
        assert all(one == found[0] for one in found), key
        assert all(one == arrays[key][0] for one in arrays[key]), key
    # What is equal is told apart where it should be: each of the four is a run of its own.
    assert len({found[0].trajectory_sha256 for found in fingerprints.values()}) == 4
