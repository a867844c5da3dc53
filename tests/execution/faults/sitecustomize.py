"""Plants faults in cells: on a test's PYTHONPATH, so that the product has no hook for it.

`HARNESS_TEST_FAULTS` is a JSON table, seed -> fault or [fault, attempts that have it].
"""

import importlib.abc
import importlib.util
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import training_faults

FOREVER = 10**6


def _hang(job, folder, emit):
    print("planted: hanging", flush=True)
    time.sleep(FOREVER)


def _deaf(job, folder, emit):
    signal.signal(signal.SIGTERM, lambda *_: print("planted: asked to end, and deaf", flush=True))
    _hang(job, folder, emit)


def _helper(job, folder, emit):
    if os.fork() == 0:
        time.sleep(FOREVER)
    _hang(job, folder, emit)


def _die(number):
    def die(job, folder, emit):
        print(f"planted: signal {number}", flush=True)
        os.kill(os.getpid(), number)

    return die


def _leave(job, folder, emit):
    print("planted: leaving", flush=True)
    os._exit(3)


def _leave_in_peace(job, folder, emit):
    print("planted: leaving in peace", flush=True)
    os._exit(0)


def _raise(job, folder, emit):
    raise ValueError("planted: no such luck\nand a second line")


def _python_memory(job, folder, emit):
    bytearray(2**46)


def _torch_memory(job, folder, emit):
    import torch

    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, resource.RLIM_INFINITY))
    torch.zeros(2**30)


def _other_precision(job, folder, emit):
    # Trains on, in fp32, whatever the name says.
    setup = sys.modules["harness.subject.engines.setup"]
    setup._precision = lambda precision: {"fp16": False, "bf16": False}
    return PLAIN[0](job, folder, emit)


def _disk(job, folder, emit):
    raise OSError(28, "No space left on device", str(folder / "series.npz"))


def _no_result(job, folder, emit):
    # No file can take the place of a folder.
    (folder / "result.json").mkdir()
    raise ValueError("planted: this will not be heard")


def _odd_result(text):
    def leave(job, folder, emit):
        (folder / "result.json").write_text(text, encoding="utf-8")
        os._exit(0)

    return leave


def _lost_cache(job, folder, emit):
    shutil.rmtree(job["dataset"] + "/train")
    return PLAIN[0](job, folder, emit)


def _stopped_host(job, folder, emit):
    print("planted: the host is stopped", flush=True)
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(FOREVER)


def _daemon(job, folder, emit):
    # In a session of its own, and with whatever it can inherit.
    subprocess.Popen(["sleep", str(FOREVER)], start_new_session=True, close_fds=False)
    return PLAIN[0](job, folder, emit)


def _in_training(plant):
    def run(job, folder, emit):
        if job["cell"]["engine"] == "trainer":
            plant()
        return PLAIN[0](job, folder, emit)

    return run


PLAIN = []
FAULTS = {
    **{name: _in_training(plant) for name, plant in training_faults.FAULTS.items()},
    "hang": _hang,
    "deaf": _deaf,
    "helper": _helper,
    "kill": _die(signal.SIGKILL),
    "segfault": _die(signal.SIGSEGV),
    "leave": _leave,
    "leave-in-peace": _leave_in_peace,
    "raise": _raise,
    "python-memory": _python_memory,
    "torch-memory": _torch_memory,
    "other-precision": _other_precision,
    "disk": _disk,
    "no-result": _no_result,
    "ok-of-nothing": _odd_result('{"status": "ok"}'),
    "no-status": _odd_result("{}"),
    "deep-result": _odd_result("[" * 20_000),
    "lost-cache": _lost_cache,
    "stopped-host": _stopped_host,
    "daemon": _daemon,
}


def _planted(run_cell):
    PLAIN[:] = [run_cell]
    table = json.loads(os.environ["HARNESS_TEST_FAULTS"])

    def run_planted(job, folder, emit):
        fault, attempts = table.get(str(job["cell"]["seed"])) or (None, None)
        if fault is None or (attempts and int(job["id"].rpartition("-")[2]) not in attempts):
            return run_cell(job, folder, emit)
        if fault.startswith("rank1-"):
            if os.environ.get("RANK") != "1":
                return run_cell(job, folder, emit)
            fault = fault.removeprefix("rank1-")
        early = not fault.startswith("late-")
        plant = FAULTS[fault.removeprefix("late-")]
        if early:
            return plant(job, folder, emit)

        def emit_then_fail(event):
            emit(event)
            if event["event"] == "step":
                plant(job, folder, emit)

        return run_cell(job, folder, emit_then_fail)

    return run_planted


class _Planter(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "harness.subject.train":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            module.run_cell = _planted(module.run_cell)

        spec.loader.exec_module = exec_module
        return spec


if os.environ.get("HARNESS_TEST_FAULTS"):
    sys.meta_path.insert(0, _Planter())
