"""Accidents of what is asked for: references, waivers, selections, the grid itself, the accepted file."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Sequence

from benchmarks.false_green.base import REFERENCE, grid_text
from benchmarks.false_green.command import Place
from benchmarks.false_green.made import Made, maker
from benchmarks.false_green.records import newest

YOUNG = {"check": ["--max-age", "20h"], "bench": ["--max-age", "20h"]}
"""Last night's results count as measured: what is looked at is what the verdict rests on."""
FAR = REFERENCE.replace("value = 0.877", "value = 0.987")
"""A reference that no configuration can reproduce: each is a FAIL."""
LABELS = ("./model · fp32", "./model · bf16")


def alone(place: Place, reference: str = "", more: str = "") -> None:
    """One precision, no accepted file: without a reference nothing is held against anything."""
    place.grid.write_text(grid_text(precisions=("fp32",), reference=reference, more=more), encoding="utf-8")
    place.accepted.unlink(missing_ok=True)


def failing(place: Place, more: str = "") -> None:
    """A FAIL of quality in each configuration."""
    place.grid.write_text(grid_text(reference=FAR, more=more), encoding="utf-8")


def waivers(place: Place, labels: Sequence[str], expires: datetime.date, bound: float | None = None) -> str:
    """Waivers of quality, with the keys that the harness there knows: an issue and a bound in points came later."""
    path = place.harness.checkout / "harness" / "grid" / "waivers.py"
    known = path.read_text(encoding="utf-8") if path.is_file() else ""
    newer = {"issue": '"none/none#1"', "bound": bound or 60.0}
    keys = "".join(f"{key} = {value}\n" for key, value in newer.items() if f"\n    {key}: " in known)
    return "".join(
        f'\n[[waiver]]\nconfiguration = "{label}"\ncheck = "quality"\nreason = "looked at"\nauthor = "study"\n'
        f'expires = "{expires}"\n{keys}'
        for label in labels
    )


def scores(place: Place) -> dict[int, float]:
    """Accuracy by seed, both precisions together."""
    found = {}
    for seed in (1, 2, 3, 4, 5):
        both = (
            json.loads((newest(place, seed, one) / "record.json").read_text(encoding="utf-8"))
            for one in ("fp32", "bf16")
        )
        found[seed] = sum(record["measured"]["metrics"]["accuracy"] for record in both)
    return found


@maker("second-night")
def second_night(place: Place) -> Made:
    return Made(runs=True)


@maker("empty-store")
def empty_store(place: Place) -> Made:
    shutil.rmtree(place.results)
    return Made({"compare": ["results/other", f"results/{place.results.name}"]})


@maker("empty-selection")
def empty_selection(place: Place) -> Made:
    words = ["--select", "seed=99"]
    return Made({"run": words, "check": words, "report": words, "bench": words})


@maker("wrong-results-folder")
def wrong_results_folder(place: Place) -> Made:
    words = ["--results", "resluts"]
    return Made({"check": words, "report": words, "accept": words})


@maker("no-reference")
def no_reference(place: Place) -> Made:
    alone(place)
    return Made(YOUNG)


@maker("unfitting-reference")
def unfitting_reference(place: Place) -> Made:
    alone(place, '\n[[reference]]\nid = "hf-course-ch3"\n')
    return Made(YOUNG)


@maker("misspelt-reference")
def misspelt_reference(place: Place) -> Made:
    place.grid.write_text(grid_text(reference='\n[[reference]]\nid = "hf-curse-ch3"\n'), encoding="utf-8")
    return Made()


@maker("misspelt-checkpoint-of-reference")
def misspelt_checkpoint(place: Place) -> Made:
    alone(place, f'{REFERENCE}checkpoint = "./modle"\n')
    return Made(YOUNG)


@maker("misspelt-metric")
def misspelt_metric(place: Place) -> Made:
    place.grid.write_text(grid_text(reference=REFERENCE.replace('"accuracy"', '"acc"')), encoding="utf-8")
    return Made()


@maker("two-seeds")
def two_seeds(place: Place) -> Made:
    place.grid.write_text(grid_text(seeds=(1, 2)), encoding="utf-8")
    place.accepted.unlink()
    return Made({"bench": ["--fresh"]})


@maker("from-these-very-runs")
def from_these_very_runs(place: Place) -> Made:
    alone(place)
    for arguments in place.harness.arguments("accept"):
        place.type(arguments)
    return Made()


@maker("compare-with-itself")
def compare_with_itself(place: Place) -> Made:
    return Made()


@maker("lost-accepted-file")
def lost_accepted_file(place: Place) -> Made:
    text = place.accepted.read_text(encoding="utf-8")
    place.accepted.write_text(text[: len(text) // 2], encoding="utf-8")
    return Made(YOUNG)


@maker("expired-waiver")
def expired_waiver(place: Place) -> Made:
    yesterday = datetime.date.today() - datetime.timedelta(days=1)
    failing(place, waivers(place, LABELS, yesterday))
    return Made(YOUNG)


@maker("waiver-exceeded")
def waiver_exceeded(place: Place) -> Made:
    tomorrow = datetime.date.today() + datetime.timedelta(days=1)
    failing(place, waivers(place, LABELS, tomorrow, bound=5.5))
    return Made(YOUNG)


@maker("waiver-of-nothing")
def waiver_of_nothing(place: Place) -> Made:
    tomorrow = datetime.date.today() + datetime.timedelta(days=1)
    failing(place, waivers(place, ["./modle · fp32"], tomorrow))
    return Made(YOUNG)


@maker("lucky-seeds")
def lucky_seeds(place: Place) -> Made:
    found = scores(place)
    best = sorted(found, key=lambda seed: -found[seed])[:3]
    words = ["--select", f"seed={','.join(map(str, sorted(best)))}"]
    return Made({"check": words, "report": words})


@maker("unlucky-seed-again")
def unlucky_seed_again(place: Place) -> Made:
    found = scores(place)
    words = ["--fresh", "--select", f"seed={min(found, key=lambda seed: found[seed])}"]
    return Made({"run": words, "bench": words})


@maker("one-precision")
def one_precision(place: Place) -> Made:
    bf16 = f'{FAR}precision = "bf16"\n'.replace('"pilot"', '"pilot-bf16"')
    place.grid.write_text(grid_text(reference=REFERENCE + bf16), encoding="utf-8")
    words = ["--select", "precision=fp32"]
    return Made({"check": words, "report": words})


@maker("shrunk-grid")
def shrunk_grid(place: Place) -> Made:
    found = scores(place)
    worst = min(found, key=lambda seed: found[seed])
    left = [seed for seed in found if seed != worst][:3]
    place.grid.write_text(grid_text(seeds=tuple(left)), encoding="utf-8")
    return Made()


@maker("edited-grid")
def edited_grid(place: Place) -> Made:
    place.grid.write_text(grid_text(rate=1e-5), encoding="utf-8")
    return Made()


@maker("edited-data")
def edited_data(place: Place) -> Made:
    path = place.folder / "pairs" / "dev.tsv"
    header, first, *rest = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([header, ("0" if first[0] == "1" else "1") + first[1:], *rest]), encoding="utf-8")
    return Made()


@maker("edited-weights")
def edited_weights(place: Place) -> Made:
    path = place.folder / "model" / "model.safetensors"
    weights = bytearray(path.read_bytes())
    weights[-1] ^= 1
    path.write_bytes(bytes(weights))
    return Made()


@maker("stale-output")
def stale_output(place: Place) -> Made:
    """What an honest check of last night left."""
    place.type(["check", place.grid.name, "--junit", "out.xml", "-o", "out.md"])
    place.variables["HARNESS_REQUIRE"] = "cuda"
    return Made()


@maker("reader-leaves")
def reader_leaves(place: Place) -> Made:
    failing(place)
    return Made(around="set -o pipefail; {} | head -1")


@maker("closed-stdout")
def closed_stdout(place: Place) -> Made:
    failing(place)
    return Made(around="{} >&-")
