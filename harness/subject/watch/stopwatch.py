"""The stopwatch of a timing cell: what each moment of the measured steps was spent on, to be read when all is over.

Between two marks the loop did one thing, which the second mark names. On CUDA a mark is an event on the stream and
devices are waited for at the window's edges only; elsewhere it is the host's clock.
"""

from __future__ import annotations

import time
from typing import Any, Callable

import numpy as np
import torch

from harness.protocol import WINDOW
from harness.subject.watch import noise, peak
from harness.subject.watch.profile import Profile

DATA, FORWARD, BACKWARD, OPTIMIZER, OTHER = STAGES = ("data", "forward", "backward", "optimizer", "other")
ACCELERATOR_WARM_UP_S = 10.0

Emit = Callable[[dict[str, Any]], None]


class Stopwatch:
    """Times one rank. It is told of the loop's turns by the series of the run, and hooks the model for its own.

    Parameters
    ----------
    asked
        `warmup_steps`, `measured_steps`, and `counts`: whether this process also counts the model's work and
        profiles some steps after the measured ones (one replicate does that for all). `session` and `place` travel
        into the record.
    """

    def __init__(self, asked: dict[str, Any], precision: str, emit: Emit) -> None:
        self._asked, self._precision, self._emit = asked, precision, emit
        self._model: Any = None
        self._device = torch.device("cpu")
        self._marks: list[tuple[str, Any]] = []
        self._open = False
        self._steps = self._measured = self._warm_up = 0
        self._begun = self._closed = 0.0
        self._compiled = 0
        self._before: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}
        self._probe: dict[str, Any] = {}
        self._after: dict[str, Any] = {}
        self._step_marks: list[int] = []
        self._micro = self._first_micro = self._last_micro = 0
        self._micro_ends: list[int] = []
        self._memory: float | None = None
        self._profile: Profile | None = None
        self.finished = False

    # The loop's turns.

    def begins(self, model: Any) -> None:
        """The first batch is about to be asked for; `model` is the bare one, on its device."""
        self._model = model
        self._device = next(model.parameters()).device
        # A compiled model would have them compiled with it, and again when the window opens.
        model.register_forward_pre_hook(torch.compiler.disable(lambda *_: self.mark(OTHER)))
        model.register_forward_hook(torch.compiler.disable(lambda *_: self.mark(FORWARD)))
        if self._device.type != "cuda":  # a cold one says nothing of a warm one: there it waits until the window opens
            self._probe = peak.probe(self._device, self._precision)
        self._compiled, self._begun = noise.compiled_frames(), time.perf_counter()

    def mark(self, stage: str) -> None:
        """What ends now was `stage`."""
        if self._open:
            self._marks.append((stage, self._instant()))
        elif self._profile is not None and stage == DATA:
            self._profile.batch_arrives()

    def micro_batch_ends(self) -> None:
        """Forward and backward of a micro-batch are done."""
        self._micro += 1
        self.mark(BACKWARD)

    def step_ends(self) -> None:
        """An optimizer step has ended. Opens and closes the window, and what follows it."""
        self.mark(OPTIMIZER)
        self._steps += 1
        if self._open:
            self._measured += 1
            self._step_marks.append(len(self._marks))
            self._micro_ends.append(self._micro)
            if self._measured == self._asked["measured_steps"]:
                self._close()
        elif self._profile is not None:
            self.finished = self._profile.step_ends()
        elif not self._closed and self._steps >= self._asked["warmup_steps"] and self._warm():
            self._open_window()

    # The window.

    def _warm(self) -> bool:
        if self._device.type != "cuda":
            return True
        if (compiled := noise.compiled_frames()) != self._compiled:  # the device has waited for the compiler
            self._compiled, self._begun = compiled, time.perf_counter()
        warm = time.perf_counter() - self._begun >= ACCELERATOR_WARM_UP_S
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            every = torch.tensor([float(warm)], device=self._device)
            torch.distributed.all_reduce(every, torch.distributed.ReduceOp.MIN)  # the window is the same on all ranks
            return bool(every.item())
        return warm

    def _open_window(self) -> None:
        self._wait()
        if self._device.type == "cuda":
            self._probe = peak.probe(self._device, self._precision)
            torch.cuda.reset_peak_memory_stats(self._device)
        self._first_micro, self._warm_up = self._micro, self._steps
        self._emit({"event": WINDOW, "edge": "opens"})
        self._before = noise.snapshot()
        self._open = True
        self._marks.append(("", self._instant()))

    def _close(self) -> None:
        self._wait()
        self._closed = time.perf_counter()
        self._open = False
        self._last_micro = self._micro
        self._seen = noise.between(self._before, noise.snapshot())
        self._emit({"event": WINDOW, "edge": "closes"})
        if self._device.type == "cuda":
            self._memory = torch.cuda.max_memory_allocated(self._device) / 2**20
            self._after = peak.probe(self._device, self._precision)
        if self._asked["counts"]:
            self._profile = Profile(self._device)
        self.finished = self._profile is None

    def _instant(self) -> Any:
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    # When all is over.

    def part(self, shapes: np.ndarray, lengths: np.ndarray | None) -> dict[str, Any]:
        """Return this rank's part of the record's `Timing`.

        Parameters
        ----------
        shapes
            (micro-batches, 2): examples and tokens each, of the whole run on this rank.
        lengths
            (micro-batches,): tokens of each that are no padding; None where they cannot be told.

        Raises
        ------
        RuntimeError
            Where the run ended before the window did.
        """
        if not self._closed:
            raise RuntimeError(
                f"timing: the run ended after {self._steps} steps; allowed more than "
                f"{self._asked['warmup_steps']} + {self._asked['measured_steps']}"
            )
        after = self._after or peak.probe(self._device, self._precision)
        names = [name for name, _ in self._marks[1:]]
        spent = self._spent()
        window = shapes[self._first_micro : self._last_micro].astype(np.int64)
        ends = np.array(self._micro_ends) - self._first_micro
        examples = np.add.reduceat(window[:, 0], np.concatenate([[0], ends[:-1]]))
        steps = np.add.reduceat(spent, np.concatenate([[0], np.array(self._step_marks[:-1]) - 1]))
        real = None if lengths is None else int(lengths[self._first_micro : self._last_micro].sum())
        known = bool((window[:, 1] > 0).all())
        return {
            "session": self._asked["session"],
            "place": self._asked["place"],
            "clock": "device" if self._device.type == "cuda" else "host",
            "warmup_steps": self._warm_up,
            "steps": self._measured,
            "step_seconds": steps.tolist(),
            "step_samples": examples.tolist(),
            "stages": {stage: float(spent[[name == stage for name in names]].sum()) for stage in STAGES},
            "tokens": int((window[:, 0] * window[:, 1]).sum()) if known else None,
            "real_tokens": real,
            "flops": self._work(window) if known and self._asked["counts"] else None,
            "limit": {**self._probe, "best": max(self._probe["best"], after["best"])},
            "drift": after["median"] / self._probe["median"] - 1,
            "breakdown": None if self._profile is None else self._profile.shares,
            "seen": self._seen,
            "memory": self._memory,
        }

    def _spent(self) -> np.ndarray:
        instants = [instant for _, instant in self._marks]
        if self._device.type != "cuda":
            return np.diff(np.array(instants, dtype=np.float64))
        return np.array([a.elapsed_time(instants[n + 1]) / 1e3 for n, a in enumerate(instants[:-1])])

    def _work(self, window: np.ndarray) -> float | None:
        try:
            work = peak.Work(self._model)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            print(f"the model's work cannot be counted: {error}", flush=True)
            return None
        return float(work.of(window[:, 0].astype(np.float64), window[:, 1].astype(np.float64)).sum())
