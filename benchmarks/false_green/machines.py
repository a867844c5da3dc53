"""Accidents of the machine and its environments: no GPU, other packages, an interpreter that is gone, no hub."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.false_green.base import grid_text
from benchmarks.false_green.command import Place
from benchmarks.false_green.grids import YOUNG
from benchmarks.false_green.made import Made, maker
from benchmarks.false_green.records import newest

UPGRADED: Final = "accelerate"
HUB: Final = "google-bert/bert-base-uncased"


def upgrade(place: Place) -> None:
    """Another version of a package: the code that is there, under a higher number."""
    major, _, rest = version(UPGRADED).partition(".")
    folder = place.folder / "upgraded"
    info = folder / f"{UPGRADED}-{int(major) + 1}.{rest}.dist-info"
    info.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {UPGRADED}\nVersion: {int(major) + 1}.{rest}\n"
    (info / "METADATA").write_text(text, encoding="utf-8")
    place.paths.append(folder)


def _interpreter(place: Place, python: str) -> Made:
    more = f'\n[environment.gone]\npython = "{python}"\n'
    text = grid_text(more=more).replace("precision = [", 'environment = ["gone"]\nprecision = [')
    place.grid.write_text(text, encoding="utf-8")
    return Made()


@maker("all-skipped")
def all_skipped(place: Place) -> Made:
    place.grid.write_text(grid_text(precisions=("fp16",)), encoding="utf-8")
    place.accepted.unlink()
    return Made(runs=True)


@maker("half-skipped")
def half_skipped(place: Place) -> Made:
    place.grid.write_text(grid_text(precisions=("fp32", "fp16")), encoding="utf-8")
    place.accepted.unlink()
    return Made(runs=True)


@maker("one-skipped-counts")
def one_skipped_counts(place: Place) -> Made:
    text = grid_text(precisions=("fp32", "bf16", "fp16"))
    kept = ", ".join(f'{{ precision = "fp16", seed = {seed} }}' for seed in (1, 2, 4, 5))
    place.grid.write_text(text.replace('"fp16"]\n', f'"fp16"]\nexclude = [{kept}]\n'), encoding="utf-8")
    words = ["--skipped", "fail"]
    return Made({"check": words, "bench": [*words, *YOUNG["bench"]]}, runs=True)


def _demand(place: Place, text: str) -> Made:
    place.grid.write_text(grid_text(more=f"\n[require]\n{text}\n"), encoding="utf-8")
    return Made()


@maker("no-gpu")
def no_gpu(place: Place) -> Made:
    return _demand(place, 'accelerator = "cuda"')


@maker("no-gpu-variable")
def no_gpu_variable(place: Place) -> Made:
    place.variables["HARNESS_REQUIRE"] = "cuda"
    return Made()


@maker("too-few-devices")
def too_few_devices(place: Place) -> Made:
    return _demand(place, "devices = 64")


@maker("package-upgraded")
def package_upgraded(place: Place) -> Made:
    upgrade(place)
    return Made()


@maker("package-upgraded-half-run")
def package_upgraded_half_run(place: Place) -> Made:
    upgrade(place)
    place.type(["run", place.grid.name, "--select", "seed=1,2"])
    return Made()


@maker("mixed-environments")
def mixed_environments(place: Place) -> Made:
    for seed in (4, 5):
        for precision in ("fp32", "bf16"):
            shutil.rmtree(newest(place, seed, precision).parents[1])
    place.type(["store", "reindex", place.results.name])
    upgrade(place)
    place.type(["run", place.grid.name, "--select", "seed=4,5"])
    return Made()


@maker("torch-missing")
def torch_missing(place: Place) -> Made:
    """Neither found nor imported: as where it was never installed."""
    folder = place.folder / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WITHOUT_TORCH, encoding="utf-8")
    place.paths.append(folder)
    # An answer is kept until the .dist-info of the packages change; here they cannot be taken away.
    place.variables["HARNESS_CACHE"] = str(place.folder / "cache")
    return Made()


WITHOUT_TORCH: Final = '''"""This interpreter has no torch."""
import importlib.metadata
import sys


class Without:
    """Not imported."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Without)
_discover = importlib.metadata.Distribution.discover.__func__


def discover(cls, **wanted):
    return (one for one in _discover(cls, **wanted) if one.metadata["Name"] != "torch")


importlib.metadata.Distribution.discover = classmethod(discover)
'''


@maker("interpreter-missing")
def interpreter_missing(place: Place) -> Made:
    return _interpreter(place, "gone/bin/python")


@maker("broken-interpreter")
def broken_interpreter(place: Place) -> Made:
    path = place.folder / "silent"
    path.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    Path.chmod(path, 0o755)
    return _interpreter(place, "./silent")


@maker("hub-down")
def hub_down(place: Place) -> Made:
    place.grid.write_text(grid_text().replace('"./model"', f'"{HUB}"'), encoding="utf-8")
    place.accepted.unlink()
    # Nothing listens there, and nothing is cached.
    place.variables |= {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(place.folder / "hf")}
    return Made(runs=True)
