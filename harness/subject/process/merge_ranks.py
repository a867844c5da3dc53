"""From what every rank saw to one result: losses averaged over ranks, examples in rank order, one fingerprint."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.protocol import NONFINITE, OK, SERIES
from harness.subject.process import merge_inputs
from harness.subject.train import RankPart
from harness.subject.watch import noise
from harness.subject.watch.stopwatch import BACKWARD

T0_STEPS = 20
NAMED_IDS = 64
EVEN = "<f4"
PERCENTILES = (5, 50, 95)


class RanksDiffer(RuntimeError):
    """Ranks that must hold the same weights do not."""


def save_part(folder: Path, rank: int, part: RankPart) -> None:
    """Leave a rank's part in the attempt's folder."""
    arrays = {f"series.{name}": array for name, array in part.series.items()}
    arrays.update({f"trace.{name}": array for name, array in part.trace.items()})
    with (folder / f"rank-{rank}.npz").open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    (folder / f"rank-{rank}.json").write_text(json.dumps(part.result, default=str), encoding="utf-8")


def has_part(folder: Path, rank: int) -> bool:
    """Whether a rank has left its part."""
    return (folder / f"rank-{rank}.json").exists()


def load_part(folder: Path, rank: int) -> RankPart:
    """Read what :func:`save_part` left."""
    result = json.loads((folder / f"rank-{rank}.json").read_text(encoding="utf-8"))
    with np.load(folder / f"rank-{rank}.npz", allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    split = [{name[len(k) :]: a for name, a in found.items() if name.startswith(k)} for k in ("series.", "trace.")]
    return RankPart(result, *split)


def merge(parts: Sequence[RankPart], folder: Path) -> dict[str, Any]:
    """Make the cell's result of its ranks' parts, in rank order, and leave `series.npz` in `folder`.

    Raises
    ------
    RanksDiffer
        Where ranks began or ended with different weights.
    """
    first = parts[0]
    observed, measured, series = first.result["observed"], first.result["measured"], dict(first.series)
    for name in ("init_sha256", "final_sha256"):
        hashes = [part.result["observed"]["weights"][name] for part in parts]
        if len(set(hashes)) > 1:
            odd = next(rank for rank, found in enumerate(hashes) if found != hashes[0])
            raise RanksDiffer(f"weights.{name}: rank {odd} has {hashes[odd][:12]}, rank 0 has {hashes[0][:12]}")
    # As the Trainer logs it: the mean over ranks of each rank's sum over micro-batches.
    losses = [part.series["loss"] for part in parts]
    if len(parts) > 1:
        series["loss"] = np.asarray(np.mean(losses, axis=0, dtype=np.float32))
    traces = [part.trace for part in parts]
    series.update(_by_step(traces))
    if (answered := _evaluated_ids(traces, series)) is not None:
        series["evaluated_ids"] = answered
    series.update(merge_inputs.series(traces, series))
    samples = sum(part.result["measured"]["train_samples"] for part in parts)
    measured["train_samples"] = samples
    measured["train_samples_per_second"] = samples / measured["seconds"]["train"]
    memory = [part.result["measured"]["peak_memory_mib"] for part in parts]
    measured["peak_memory_mib"] = {name: max(found[name] for found in memory) for name in memory[0]}
    timed = [part.result.pop("timing") for part in parts if "timing" in part.result]
    if timed:
        measured["timing"] = _timing(timed)
        if timed[0]["memory"] is not None:
            measured["peak_memory_mib"]["device"] = max(part["memory"] for part in timed)
    observed["fingerprint"] = _fingerprint(parts, series)
    finite = all(np.isfinite(series[name]).all() for name in ("loss", "logits") if name in series)
    scale = observed["fingerprint"]["loss_scale"]
    trained = scale is None or scale["skipped_steps"] < len(series["loss"])
    _save_series(folder / SERIES, series)
    return {
        **first.result,
        "status": OK if finite and trained else NONFINITE,
        "series": {name: list(array.shape) for name, array in series.items()},
    }


def _timing(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The record's `Timing`, of its ranks' parts in rank order.

    Ranks wait for each other in every step: a step takes as long as its slowest rank.
    """
    first = parts[0]
    seconds = np.max([part["step_seconds"] for part in parts], axis=0)
    samples = np.sum([part["step_samples"] for part in parts], axis=0)
    # Stages are rank 0's: a step that another rank made longer was rank 0's waiting, in its backward pass.
    stages = dict(first["stages"])
    stages[BACKWARD] += float(seconds.sum()) - sum(stages.values())
    total, count = float(sum(stages.values())), int(samples.sum())
    tokens = _sum(parts, "tokens")
    best = sum(part["limit"]["best"] for part in parts)
    flops = _sum(parts, "flops")
    drift = min((part["drift"] for part in parts), key=lambda found: -abs(found))
    p5, p50, p95 = (float(value) * 1e3 for value in np.percentile(seconds, PERCENTILES))
    return {
        "session": first["session"],
        "place": first["place"],
        "clock": first["clock"],
        "warmup_steps": first["warmup_steps"],
        "steps": first["steps"],
        "seconds": total,
        "samples": count,
        "samples_per_second": count / total,
        "median_samples_per_second": float(np.median(samples / seconds)),
        "tokens": tokens,
        "tokens_per_second": None if tokens is None else tokens / total,
        "real_tokens": _sum(parts, "real_tokens"),
        "step_ms": {"p5": p5, "p50": p50, "p95": p95},
        "stages": stages,
        "flops": flops,
        "limit": {
            "dtype": first["limit"]["dtype"],
            "size": first["limit"]["size"],
            "flops_per_second": best,
            "drift": drift,
        },
        "mfu": None if flops is None else flops / total / best,
        "breakdown": first["breakdown"],
        "noise": noise.noise([part["seen"] for part in parts], drift, first["clock"] == "device"),
    }


def _sum(parts: list[dict[str, Any]], name: str) -> Any:
    values = [part[name] for part in parts]
    return None if any(value is None for value in values) else sum(values)


def _fingerprint(parts: Sequence[RankPart], series: dict[str, np.ndarray]) -> dict[str, Any]:
    observed, traces = parts[0].result["observed"], [part.trace for part in parts]
    facts = dict(observed["fingerprint"])
    examples, batch, drop_last = facts.pop("examples"), facts.pop("batch"), facts.pop("drop_last")
    initial, steps = facts.pop("initial_scale"), facts.pop("optimizer_steps", None)
    altered = [part.result["observed"]["fingerprint"].get("altered") for part in parts]
    ids, offsets = series.get("example_ids"), series.get("example_offsets")
    return {
        **facts,
        **merge_inputs.facts(traces, altered, len(series["logits"]) if "logits" in series else None),
        "final_sha256": observed["weights"]["final_sha256"],
        "data_order_sha256": None if ids is None or offsets is None else _order_sha256(ids, offsets),
        "batch_shapes_sha256": _shapes_sha256(traces),
        "widths": _widths(traces),
        "seen": None if ids is None else _seen(traces, examples, batch, drop_last),
        "optimizer_steps": len(traces[0]["step_ends"]) if steps is None else steps,
        "optimizer": observed["optimizer"]["class"],
        "loss_sha256": _sha256([series["loss"][:T0_STEPS].astype(EVEN)]),
        "trajectory_sha256": _sha256(
            [series["loss"].astype(EVEN), series["grad_norm"].astype(EVEN), series["learning_rate"].astype("<f8")]
        ),
        "loss_scale": _loss_scale(initial, traces[0]["scales"], series),
        "eval_examples": len(series["logits"]) if "logits" in series else None,
    }


def _by_step(traces: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """`micro_loss` and the example ids of each optimizer step, as far as they are known."""
    ends = traces[0]["step_ends"]
    starts = np.concatenate([np.zeros(1, dtype=ends.dtype), ends[:-1]]) if len(ends) else ends
    found: dict[str, np.ndarray] = {}
    if all(len(ends) and len(trace["model_loss"]) >= ends[-1] for trace in traces):
        losses = np.asarray(np.mean([trace["model_loss"][: ends[-1]] for trace in traces], axis=0, dtype=np.float64))
        means = [losses[a:b].mean() for a, b in zip(starts, ends)]
        found["micro_loss"] = np.array(means, dtype=np.float32)
    micro = _micro_ids(traces)
    states = [trace.get("states", ()) for trace in traces]  # a stream a rank
    if len(ends) and all(len(rank) == len(ends) for rank in states):
        found["random_state"] = np.asarray(np.sum(states, axis=0, dtype=np.uint32))
    if micro is not None:
        steps = [np.concatenate(micro[a:b]) for a, b in zip(starts, ends)]
        found["example_ids"] = np.concatenate(steps).astype(np.int32) if steps else np.zeros(0, np.int32)
        found["example_offsets"] = np.cumsum([0, *map(len, steps)]).astype(np.int32)
    return found


def _micro_ids(traces: Sequence[dict[str, np.ndarray]]) -> list[np.ndarray] | None:
    """Ids of each micro-batch, ranks one after the other; None where some example is unknown."""
    return _by_batch(traces, "ids", "id_counts")


def _by_batch(traces: Sequence[dict[str, np.ndarray]], ids: str, counts: str) -> list[np.ndarray] | None:
    if any((trace[counts] < 0).any() for trace in traces):
        return None
    cut = [np.split(trace[ids], np.cumsum(trace[counts])[:-1]) for trace in traces]
    return [np.concatenate(ranks) for ranks in zip(*cut)]


def _evaluated_ids(traces: Sequence[dict[str, np.ndarray]], series: dict[str, np.ndarray]) -> np.ndarray | None:
    """Whose answers the rows of logits are; None where that cannot be told.

    Of a last batch that ranks fill up with examples of the first only the rows that were due are kept.
    """
    batches = _by_batch(traces, "evaluated_ids", "evaluated_counts")
    if "logits" not in series or not batches:
        return None
    ids = np.concatenate(batches)[: len(series["logits"])]
    return ids if len(np.unique(ids)) == len(series["logits"]) else None


def _seen(traces: Sequence[dict[str, np.ndarray]], examples: int, batch: int, drop_last: bool) -> dict[str, Any]:
    micro = _micro_ids(traces) or []
    whole, start, room, epochs = batch * len(traces), 0, NAMED_IDS, []
    for end, batches in zip(traces[0]["epoch_ends"].tolist(), traces[0]["epoch_batches"].tolist()):
        rows = np.concatenate(micro[start:end]) if end > start else np.zeros(0, np.int32)
        names, counts = np.unique(rows, return_counts=True)
        repeated = names[counts > 1].tolist()
        epochs.append(
            {
                "seen": len(rows),
                "distinct": len(names),
                "repeated": repeated[:room],
                "repeated_count": len(repeated),
                "complete": end - start == batches,
            }
        )
        room, start = max(0, room - len(repeated)), end
    # One rank's last batch is short; several are filled up, or all lose what would not fill them.
    padding = 0 if len(traces) == 1 and not drop_last else -examples % whole
    if drop_last:
        padding = -(examples % whole)
    return {"expected": examples, "padding": padding, "epochs": epochs}


def _loss_scale(initial: float | None, scales: np.ndarray, series: dict[str, np.ndarray]) -> dict[str, Any] | None:
    if initial is None or not len(scales):
        return None
    steps = np.concatenate([[initial], scales])
    nonfinite = ~(np.isfinite(series["grad_norm"]) & np.isfinite(series["loss"]))
    return {
        "initial": float(initial),
        "minimum": float(steps.min()),
        "final": float(steps[-1]),
        "skipped_steps": int((np.diff(steps) < 0).sum()),  # the scale is halved when, and only when, a step is skipped
        "nonfinite_steps": int(nonfinite.sum()),
    }


def _order_sha256(ids: np.ndarray, offsets: np.ndarray) -> str:
    digest = hashlib.sha256()
    for start, end in zip(offsets[:-1], offsets[1:]):
        digest.update(int(end - start).to_bytes(4, "little") + ids[start:end].astype("<i4").tobytes())
    return digest.hexdigest()


def _shapes_sha256(traces: Sequence[dict[str, np.ndarray]]) -> str | None:
    if any((trace["shapes"] < 0).any() for trace in traces):
        return None
    return _sha256(
        np.array([rank, number, *shape], dtype="<i4")
        for rank, trace in enumerate(traces)
        for number, shape in enumerate(trace["shapes"].tolist())
    )


def _widths(traces: Sequence[dict[str, np.ndarray]]) -> dict[str, int] | None:
    widths = np.concatenate([trace["shapes"][:, 1] for trace in traces])
    if not len(widths) or (widths < 0).any():
        return None
    return {"least": int(widths.min()), "most": int(widths.max()), "divisor": int(np.gcd.reduce(widths))}


def _sha256(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def _save_series(path: Path, series: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **series)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
