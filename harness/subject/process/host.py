"""The host: one long-lived process per environment that starts a child for each job.

It imports torch and transformers once and then forks, so that a child starts warm and nothing of one cell can
leak into the next. The host itself calls no tensor operation (a thread pool would not survive the fork: the
child would deadlock) and never initialises CUDA. With `--spawn` it imports nothing and starts interpreters.

It talks JSON lines over a Unix socket given as an inherited descriptor. In: `{"op": "run", "job": {...}}` with the
cell's lock as an attached descriptor, `{"op": "kill", "id": ..., "signal": ...}`. Out: `{"event": "ready"}`,
`{"event": "started", "id", "pid"}`, the child's own events with its id, `{"event": "exited", "id", "status"}`.
End of file means the harness is gone: the host kills its children and goes too.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Before any import that could start a thread pool: the child raises its own number of threads.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import contextlib  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402

from harness.protocol import EXITED, JOB, KILL, LOG, READY, RUN, STARTED, write_whole  # noqa: E402
from harness.subject.process import child, isolation  # noqa: E402


@dataclass
class _Child:
    job_id: str
    pid: int
    events: int  # read end of the child's pipe
    process: subprocess.Popen[bytes] | None = None
    buffer: bytes = field(default=b"")


class Host:
    """Event loop over the harness's socket, the children's pipes and their deaths; see the module's text."""

    def __init__(self, channel: socket.socket, spawn: bool) -> None:
        self._channel = channel
        self._spawn = spawn
        self._children: dict[int, _Child] = {}
        self._selector = selectors.DefaultSelector()
        self._inbox = b""
        self._locks: list[int] = []  # descriptors received and not yet handed to a child, in order
        self._deaths, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._deaths, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Run until the harness hangs up."""
        self._selector.register(self._channel, selectors.EVENT_READ)
        self._selector.register(self._deaths, selectors.EVENT_READ)
        self._tell({"event": READY, "pid": os.getpid()})
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.fileobj is self._channel:
                        if not self._receive():
                            return
                    elif key.fileobj == self._deaths:
                        os.read(self._deaths, 4096)
                    elif isinstance(key.data, _Child):
                        self._forward(key.data)
                self._reap()
        except (BrokenPipeError, ConnectionResetError):
            return  # the harness left while it was being told something
        finally:
            self._kill_all()

    def _receive(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._channel, 1 << 20, 16)
        self._locks.extend(descriptors)
        if not data:
            return False
        self._inbox += data
        while b"\n" in self._inbox:
            line, self._inbox = self._inbox.split(b"\n", 1)
            message = json.loads(line)
            if message["op"] == RUN:
                self._start(message["job"])
            elif message["op"] == KILL:
                self._kill(message["id"], message["signal"])
        return True

    def _start(self, job: dict[str, Any]) -> None:
        lock = self._locks.pop(0) if job.get("locked") else None
        reader, writer = os.pipe()
        folder = Path(job["folder"])
        if self._spawn:
            started = self._spawn_child(job, folder, writer, lock)
        else:
            started = self._fork_child(job, folder, writer, lock)
        os.close(writer)
        if lock is not None:
            os.close(lock)  # the child and the harness hold it now
        started.events = reader
        os.set_blocking(reader, False)
        self._children[started.pid] = started
        self._selector.register(reader, selectors.EVENT_READ, started)
        self._tell({"event": STARTED, "id": job["id"], "pid": started.pid})

    def _fork_child(self, job: dict[str, Any], folder: Path, writer: int, lock: int | None) -> _Child:
        host = os.getpid()
        gc.freeze()  # the collector must not touch, and so copy, the pages shared with the host
        pid = os.fork()
        if pid:
            return _Child(job["id"], pid, -1)
        code = 1
        try:
            gc.enable()
            isolation.die_with_parent(host)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.setpgid(0, 0)
            self._channel.close()
            for other in self._children.values():
                os.close(other.events)
            for other_lock in self._locks:
                os.close(other_lock)  # those cells' own children are to hold them
            if lock is not None:
                os.set_inheritable(lock, False)  # a program that it starts and forgets must not keep the cell
            isolation.redirect_output(folder / LOG)
            os.environ.update(job["variables"])
            code = child.run_job(job, child.pipe_emitter(writer))
        except BaseException:  # noqa: BLE001 - nothing may travel up into the host's own code
            traceback.print_exc()
        finally:
            # No interpreter shutdown: its exit handlers belong to the host.
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)

    def _spawn_child(self, job: dict[str, Any], folder: Path, writer: int, lock: int | None) -> _Child:
        job_file = folder / JOB
        write_whole(job_file, json.dumps(job))
        start = str(Path(__file__).with_name("start.py"))
        command = [sys.executable, start, "process.child", str(job_file), str(writer), str(os.getpid())]
        with (folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **job["variables"]},
                pass_fds=[writer] if lock is None else [writer, lock],
                start_new_session=True,
            )
        return _Child(job["id"], process.pid, -1, process)

    def _forward(self, from_child: _Child) -> None:
        try:
            data = os.read(from_child.events, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(from_child.events)
            return
        from_child.buffer += data
        *lines, from_child.buffer = from_child.buffer.split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):  # not an event: nobody's to crash over
                self._tell({**json.loads(line), "id": from_child.job_id})

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            ended = self._children.pop(pid, None)
            if ended is None:
                continue  # a helper's own helper, handed down to this process
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # helpers that it may have left (data loader workers)
            isolation.kill_orphans(self._children)  # and those that had made themselves a session
            if ended.events in self._selector.get_map():
                self._forward(ended)
            if ended.events in self._selector.get_map():
                self._selector.unregister(ended.events)
            os.close(ended.events)
            if ended.process is not None:
                ended.process.returncode = os.waitstatus_to_exitcode(status)
            code = os.waitstatus_to_exitcode(status)
            self._tell({"event": EXITED, "id": ended.job_id, "status": code})

    def _kill(self, job_id: str, number: int) -> None:
        for pid, running in self._children.items():
            if running.job_id == job_id:
                self._kill_group(pid, number)

    def _kill_all(self) -> None:
        """Leave nobody behind: whoever waits for this process's end may count on that."""
        for pid in self._children:
            self._kill_group(pid, signal.SIGKILL)
        for pid in self._children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        isolation.kill_orphans(())

    @staticmethod
    def _kill_group(pid: int, number: int) -> None:
        for kill in (os.killpg, os.kill):  # before its setpgid a child has no group of its own yet
            try:
                kill(pid, number)
            except (ProcessLookupError, PermissionError):
                continue

    def _tell(self, message: dict[str, Any]) -> None:
        self._channel.sendall((json.dumps(message) + "\n").encode())


def warm_up() -> None:
    """Import what every cell needs, so that forked children find it loaded; no tensor operation, no CUDA."""
    import accelerate  # noqa: F401
    import datasets  # noqa: F401
    import evaluate  # noqa: F401
    import torch._dynamo  # the first optimizer of a process imports it
    import torch.distributed.launcher.api  # noqa: F401 - half a second, for cells on several devices
    import transformers.models.bert.modeling_bert  # noqa: F401
    from transformers import (  # noqa: F401
        AutoModelForSequenceClassification,
        AutoTokenizer,
        BertTokenizerFast,
        DataCollatorWithPadding,
        Trainer,
    )

    from harness.subject import metrics  # noqa: F401
    from harness.subject.data import tasks  # noqa: F401
    from harness.subject.process import ranks  # noqa: F401

    with contextlib.suppress(ImportError):  # transformers 5: a quarter of a second of regular expressions, once
        from transformers.conversion_mapping import get_checkpoint_conversion_mapping

        get_checkpoint_conversion_mapping("bert")


def main() -> None:
    """`python start.py process.host SOCKET_FD PARENT_PID [--spawn]`."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    isolation.die_with_parent(parent)
    isolation.adopt_orphans()
    # Ctrl-C reaches the whole terminal group; only the harness decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgid(0, 0)
    spawn = "--spawn" in sys.argv[3:]
    if not spawn:
        # As Python's manual says of fork: no collection in the parent (a fifth of the imports' time, and 0.3 s
        # before every fork), freeze before it, collect again in the child.
        gc.disable()
        warm_up()
    with socket.socket(fileno=descriptor) as channel:
        Host(channel, spawn).serve()
    sys.stdout.flush()
    os._exit(0)  # taking torch apart module by module would keep the harness waiting for 0.4 s


if __name__ == "__main__":
    main()
