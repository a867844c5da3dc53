from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RequirementError, StoreError
from harness.execution import cache
from harness.execution import environment as module
from harness.execution.devices import Device, Driver
from harness.execution.environment import Environment, probe_environment
from harness.execution.require import unusable_device


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "nvidia_driver", Driver)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The commands of the processes started so far."""
    commands: list[Any] = []
    asked = module.ask

    def watched(command: Any, seconds: float, **options: Any) -> Any:
        commands.append(command)
        return asked(command, seconds, **options)

    monkeypatch.setattr(module, "ask", watched)
    return commands


H100 = Device("GPU-1", "H100", 81559, 4, 0)
FACTS = {"python": "3.9.1", "packages": {"torch": "2.4.0", "transformers": "4.45.2"}, "missing": []}


def interpreter(folder: Path, says: str, status: int = 0) -> str:
    """A program in the place of a Python: prints, and leaves with a status."""
    path = folder / "bin" / "python"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\necho gone wrong >&2\nexit {status}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_real_probe_of_this_interpreter_is_asked_once(started: list[Any]) -> None:
    first = probe_environment("current")
    assert len(started) == 1
    second = probe_environment("current")
    assert len(started) == 1
    assert first == second
    assert first.python == sys.executable
    assert first.packages["numpy"]
    assert first.facts["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    if not first.facts["missing"]:
        assert first.torch["version"]


def test_a_changed_package_asks_again(tmp_path: Path, started: list[Any]) -> None:
    python = interpreter(tmp_path / "env", json.dumps(FACTS))
    site = tmp_path / "env" / "lib" / "python3.9" / "site-packages"
    (site / "torch-2.4.0.dist-info").mkdir(parents=True)
    probe_environment("old", python)
    probe_environment("old", python)
    assert len(started) == 1
    (site / "torch-2.4.0.dist-info").rename(site / "torch-2.5.0.dist-info")
    probe_environment("old", python)
    assert len(started) == 2
    os.utime(site / "torch-2.5.0.dist-info", ns=(1, 1))  # reinstalled: another build of the same version
    probe_environment("old", python)
    assert len(started) == 3
    (site / "unrelated.py").write_text("")
    probe_environment("old", python)
    assert len(started) == 3


def test_packages_of_the_system_below_a_venv_count(tmp_path: Path, started: list[Any]) -> None:
    """A runner's own torch: the venv has system-site-packages, and torch is upgraded in the system."""
    system = Path(interpreter(tmp_path / "usr", json.dumps(FACTS)))
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(system)
    packages = tmp_path / "usr" / "lib" / "python3" / "dist-packages"
    (packages / "torch-2.4.0.dist-info").mkdir(parents=True)
    probe_environment("own", str(python))
    (packages / "torch-2.4.0.dist-info").rename(packages / "torch-2.5.0.dist-info")
    probe_environment("own", str(python))
    assert len(started) == 2


@pytest.mark.parametrize("what", ["CUDA_VISIBLE_DEVICES", "devices", "driver", "machine", "PYTHONPATH"])
def test_another_machine_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[Any], what: str
) -> None:
    python = interpreter(tmp_path / "env", json.dumps(FACTS))
    probe_environment("old", python)
    if what == "devices":
        monkeypatch.setattr(module, "nvidia_driver", lambda: Driver(devices=(H100,)))
    elif what == "driver":
        monkeypatch.setattr(module, "nvidia_driver", lambda: Driver("570.1"))
    elif what == "machine":
        monkeypatch.setattr(module, "_machine_stamp", lambda: ["another processor"])
    elif what == "PYTHONPATH":
        (tmp_path / "more" / "torch-2.5.0.dist-info").mkdir(parents=True)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "more"))
    else:
        monkeypatch.setenv(what, "1")
    probe_environment("old", python)
    assert len(started) == 2


def test_the_id_is_of_packages_python_accelerator_and_driver_major(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = {"torch": {"cuda_available": True, "devices": [{"name": "H100"}]}}

    def identify(driver: str | None = "570.1", **changes: Any) -> str:
        monkeypatch.setattr(module, "nvidia_driver", lambda: Driver(driver))
        python = interpreter(tmp_path / "env", json.dumps({**FACTS, **gpu, **changes}))
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / os.urandom(4).hex()))
        return probe_environment("x", python).environment_id

    base = identify()
    assert identify() == base
    assert identify("570.99") == base
    assert identify("575.1") != base
    assert identify(python="3.9.2") != base
    assert identify(packages={**FACTS["packages"], "numpy": "2.0"}) != base  # type: ignore[dict-item]
    assert identify(torch={"cuda_available": True, "devices": [{"name": "A100"}]}) != base
    assert identify(implementation="another fact") == base


def test_the_label_does_not_enter_the_id(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "env", json.dumps(FACTS))
    one, two = probe_environment("one", python), probe_environment("two", python)
    assert one.environment_id == two.environment_id
    assert (one.label, two.label) == ("one", "two")


# What cannot be used.


def test_a_missing_interpreter(tmp_path: Path) -> None:
    with pytest.raises(RequirementError, match=r"environment old: no interpreter at .*/nothing") as caught:
        probe_environment("old", str(tmp_path / "nothing"))
    assert caught.value.exit_code == 4


def test_a_folder_is_no_interpreter(tmp_path: Path) -> None:
    with pytest.raises(RequirementError, match="no interpreter at"):
        probe_environment("old", str(tmp_path))


def test_a_file_that_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "python").write_bytes(b"\x00\x01\x02")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(RequirementError, match=r"environment old: .* cannot be run: "):
        probe_environment("old", str(tmp_path / "python"))


@pytest.mark.parametrize(
    ("says", "status", "reason"),
    [
        ("", 3, "gone wrong"),
        ("this is no Python", 0, "gone wrong"),
        ("[1, 2]", 0, "gone wrong"),
        ("17", 0, "gone wrong"),
        ('"text"', 0, "gone wrong"),
        ("{}", 0, "gone wrong"),
        ('{"missing": []}', 0, "gone wrong"),
        ('{"python": "3.9.1", "packages": {"torch": 2}, "missing": []}', 0, "gone wrong"),
        ('{"python": "3.9.1", "packages": {}, "missing": [], "torch": {"devices": [{}]}}', 0, "gone wrong"),
        ("[" * 20_000, 0, "gone wrong"),
        ('{"error": "ImportError: libcudart.so.12"}', 1, "ImportError: libcudart.so.12"),
    ],
)
def test_a_broken_interpreter_says_why(tmp_path: Path, says: str, status: int, reason: str) -> None:
    python = interpreter(tmp_path / "env", says, status)
    with pytest.raises(RequirementError) as caught:
        probe_environment("old", python)
    assert str(caught.value) == f"environment old ({python}): its probe failed: {reason}"
    assert caught.value.exit_code == 4


def test_an_interpreter_that_never_stops_talking_is_not_heard_for_ever(tmp_path: Path) -> None:
    python = Path(interpreter(tmp_path / "env", ""))
    python.write_text("#!/bin/sh\nexec yes\n")
    with pytest.raises(RequirementError, match=r"environment old: .* cannot be run: it says more than 4 MiB"):
        probe_environment("old", str(python))


def test_an_interpreter_that_never_answers_is_waited_for_no_longer_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROBE_S", 0.2)
    python = Path(interpreter(tmp_path / "env", ""))
    python.write_text("#!/bin/sh\nexec sleep 1000\n")
    with pytest.raises(RequirementError, match="cannot be run: it takes too long"):
        probe_environment("old", str(python))


def test_what_an_interpreter_says_is_one_line_without_codes(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "env", json.dumps({"error": "no\n::error::pwn\x1b]0;x\x07" + "x" * 600}))
    with pytest.raises(RequirementError) as caught:
        probe_environment("old", python)
    assert "its probe failed: no ::error::pwn ]0;x xxx" in str(caught.value)
    assert str(caught.value).isprintable()
    assert str(caught.value).endswith("xxx...")


def test_a_failed_probe_is_not_remembered(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "env", "", 1)
    with pytest.raises(RequirementError):
        probe_environment("old", python)
    interpreter(tmp_path / "env", json.dumps(FACTS))
    assert probe_environment("old", python).packages == FACTS["packages"]


@pytest.mark.parametrize(
    "kept",
    ["{}", "[]", "{", '{"python": "3.9.1"}', "[" * 20_000, '{"python": 3, "packages": {}, "missing": []}'],
)
def test_a_damaged_answer_in_the_cache_is_asked_again(tmp_path: Path, kept: str) -> None:
    python = interpreter(tmp_path / "env", json.dumps(FACTS))
    first = probe_environment("old", python)
    (path,) = (tmp_path / "cache").glob("probe-*.json")
    path.write_text(kept)
    assert probe_environment("old", python) == first


def test_a_probe_that_contradicts_the_driver_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[Any]
) -> None:
    """A fabric manager that is not up yet (CUDA error 802): neither driver, UUIDs nor packages change when it is."""
    monkeypatch.setattr(module, "nvidia_driver", lambda: Driver("570.1", (12, 8), (H100,)))
    build = {"version": "2.13.0", "cuda_build": "12.8", "devices": []}
    broken = {**build, "cuda_available": False, "cuda_error": "CUDA error: system not yet initialized"}
    python = interpreter(tmp_path / "env", json.dumps({**FACTS, "torch": broken}))
    assert str(unusable_device(probe_environment("old", python))) == (
        "the driver shows H100, but torch cannot use it: torch 2.13.0 (CUDA 12.8) says: CUDA error: system not yet "
        "initialized; or set CUDA_VISIBLE_DEVICES= to run on the CPU"
    )
    mended = {**build, "cuda_available": True, "devices": [{"name": "H100", "memory_mib": 81559}]}
    interpreter(tmp_path / "env", json.dumps({**FACTS, "torch": mended}))
    assert probe_environment("old", python).accelerator == "cuda"
    assert probe_environment("old", python).accelerator == "cuda"
    assert len(started) == 2


def test_a_board_without_memory_of_its_own_has_what_torch_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "nvidia_driver", lambda: Driver("580.1", (13, 0), (Device("GPU-1", "GB10", 0, 0, 0),)))
    torch = {"cuda_available": True, "devices": [{"name": "GB10", "memory_mib": 122570}]}
    python = interpreter(tmp_path / "env", json.dumps({**FACTS, "torch": torch}))
    assert [device.memory_mib for device in probe_environment("old", python).devices] == [122570]


def test_words_before_the_facts_do_no_harm(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "env", "a library greets\n" + json.dumps(FACTS))
    assert probe_environment("old", python).facts == FACTS


def test_a_bare_interpreter_lacks_the_subject_by_name(tmp_path: Path) -> None:
    """A real venv without any package, not even `packaging`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    found = probe_environment("bare", str(tmp_path / "bare" / "bin" / "python"))
    assert found.missing is not None
    assert found.missing.startswith("torch, transformers, datasets, evaluate, accelerate not installed in ")
    assert found.missing.endswith("; install with: pip install torch transformers datasets evaluate accelerate")
    assert found.accelerator == "cpu"
    assert found.torch == {}


def test_without_a_home_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("HARNESS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(StoreError, match="no home folder to keep a cache in; set HARNESS_CACHE"):
        cache.cache_folder()


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.execution.cache.write_durably", refuse)
    python = interpreter(tmp_path / "env", json.dumps(FACTS))
    assert isinstance(probe_environment("old", python), Environment)


def test_every_package_of_an_environment_id_is_pinned() -> None:
    """Else an environment that tox makes again is another one, and all its cells are to do."""
    lines = (Path(__file__).parents[2] / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines if not line.startswith("#")}
    found = probe_environment("current").packages.keys()
    assert len(found) > 40
    assert found - pinned == set()
