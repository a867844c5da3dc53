"""Hosts as the harness sees them: started, sent jobs with their locks, heard, and let go of when they die."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from harness.errors import RunFailed
from harness.execution.environment import START, Environment
from harness.protocol import EVALUATED, EXITED, KILL, READY, RUN, STEP, WINDOW
from harness.text import short_hash

Event = Mapping[str, Any]

MOST_HEARD: Final = 4 * 2**20
"""Bytes that are heard of a host in one turn: an event is a short line. Each turn looks at the clock and for Ctrl-C."""
MOST_LINE: Final = 16 * 2**20
"""Bytes of a line that has no end yet: no event is so long."""
MOST_COUNT: Final = 2**31
"""Of steps; no exit status is larger either."""
_NUMBERS: Final[Mapping[str, Sequence[str]]] = {
    EXITED: ("status",),
    STEP: ("step", "steps"),
    EVALUATED: ("step", "steps"),
}
"""What an event has beside its name, as integers."""
LEAVING_S: Final = 10.0
"""How long a host that was hung up on may take to end its children and leave."""


class HostProcess:
    """One host. Start it from the main thread: the kernel ties the host's life to the thread that forked it."""

    def __init__(self, environment: Environment, *, spawn: bool, log: Path) -> None:
        self.environment = environment
        self._log = log
        self._inbox = b""
        self._ready = False
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        command = [environment.python, START, "process.host", str(theirs.fileno()), str(os.getpid())]
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    [*command, "--spawn"] if spawn else command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[theirs.fileno()],
                    env=_variables(),
                    process_group=0,  # from its first instant: Ctrl-C is for the harness alone
                )
        except OSError as error:
            ours.close()
            raise RunFailed(f"{log}: the host process cannot be started: {error}") from error
        finally:
            theirs.close()
        ours.setblocking(False)
        self._channel = ours

    @property
    def pid(self) -> int:
        """The host's process id."""
        return self._process.pid

    def fileno(self) -> int:
        """For a selector: readable when the host has said something, or died."""
        return self._channel.fileno()

    def run(self, job: Mapping[str, Any], lock: int | None = None) -> None:
        """Start a job; the child shares `lock`'s open file and so keeps the cell locked while it lives."""
        message = (json.dumps({"op": RUN, "job": {**job, "locked": lock is not None}}) + "\n").encode()
        self._send(message, [] if lock is None else [lock])

    def kill(self, job_id: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a job's processes."""
        self._send((json.dumps({"op": KILL, "id": job_id, "signal": int(number)}) + "\n").encode(), [])

    def events(self) -> list[Event] | None:
        """What the host has said since the last call; None when it is dead and everything has been heard.

        Of one that says more than anybody can hear the rest is left for the next call, and one that never comes to the
        end of a line is killed. Lines that are no events are passed over.
        """
        closed, most = False, len(self._inbox) + MOST_HEARD
        while len(self._inbox) < most:
            try:
                data = self._channel.recv(1 << 16)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data = b""
            if not data:
                closed = True
                break
            self._inbox += data
        *lines, self._inbox = self._inbox.split(b"\n")
        if len(self._inbox) > MOST_LINE:
            self._inbox = b""
            self.destroy()
        if not lines and closed:
            return None
        events = [event for event in map(read_event, lines) if event is not None]
        self._ready = self._ready or any(event["event"] == READY for event in events)
        return events

    def destroy(self) -> None:
        """Kill the host, and so its children, without a word; its end of file follows."""
        self._process.kill()

    def close(self) -> None:
        """Hang up: the host kills its children and leaves; wait for that. One that still imports is not waited for."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._channel.close()
        if not self._ready:
            self._process.kill()
        try:
            self._process.wait(timeout=LEAVING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log_tail(self, lines: int = 15) -> str:
        """The end of the host's own log, for an error message."""
        try:
            return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def _send(self, message: bytes, descriptors: list[int]) -> None:
        self._channel.setblocking(True)
        try:
            socket.send_fds(self._channel, [message[:1]], descriptors)
            self._channel.sendall(message[1:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise HostDied(f"the host process ended: {self.log_tail(1)}") from error
        finally:
            self._channel.setblocking(False)


def read_event(line: bytes) -> Event | None:
    """An event as a host or child says it; None for a line that is none, whoever wrote it."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if (
        not isinstance(event, dict)
        or not isinstance(event.get("event"), str)
        or not isinstance(event.get("id", ""), str)
    ):
        return None
    numbers = _NUMBERS.get(event["event"], ())
    told = event.get("scores", {})
    scores = list(told.values()) if isinstance(told, dict) else [None]
    sound = all(_is_count(event.get(name)) for name in numbers) and all(
        type(one) is float or _is_count(one) for one in scores
    )
    return event if sound and (event["event"] != WINDOW or isinstance(event.get("edge"), str)) else None


def _is_count(value: Any) -> bool:
    return type(value) is int and abs(value) < MOST_COUNT


class HostDied(RunFailed):
    """The host went away while it was being spoken to."""


def _variables() -> dict[str, str]:
    """The host's environment variables: the harness's own, without what would make a run talk or wait."""
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # Asking NVML instead of CUDA whether there is a device keeps CUDA out of the host.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


class Key(NamedTuple):
    """A host: its environment's label, whether it starts interpreters instead of forking, and its node ("": here)."""

    environment: str
    spawned: bool
    node: str = ""


def _file_name(label: str) -> str:
    """A label as the name of a file: a requirement may have a path in it."""
    plain = re.sub(r"[^A-Za-z0-9._=+-]+", "-", label)[:100]
    return plain if plain == label else f"{plain}-{short_hash(label)[:4]}"


class Hosts:
    """Starts hosts when they are first needed, hears all of them, and lets go of the dead. From the main thread."""

    def __init__(self, environments: Mapping[str, Environment], logs: Path) -> None:
        self._environments, self._logs = environments, logs
        self._hosts: dict[Key, HostProcess] = {}
        self._selector = selectors.DefaultSelector()

    def started(self, key: Key) -> HostProcess:
        """The host of this key, started if it is not there."""
        if key not in self._hosts:
            label = key.environment
            log = self._logs / f"{_file_name(label)}.log"
            host = HostProcess(self._environments[label], spawn=key.spawned, log=log)
            self._hosts[key] = host
            self._selector.register(host, selectors.EVENT_READ, key)
        return self._hosts[key]

    def get(self, key: Key) -> HostProcess | None:
        """The host of this key, where there is one."""
        return self._hosts.get(key)

    def heard(self, timeout_s: float) -> Iterator[tuple[Key, Sequence[Event] | None]]:
        """What hosts have said within the time: events, or None from one that has died."""
        for key, _ in self._selector.select(timeout=timeout_s):
            if key.data in self._hosts:  # not removed since, for another reason
                yield key.data, self._hosts[key.data].events()

    def remove_dead(self, key: Key) -> str:
        """Let go of a dead host; returns the end of its log."""
        host = self._hosts.pop(key)
        self._selector.unregister(host)
        words = host.log_tail()
        host.close()
        return words

    def destroy(self) -> None:
        """Kill all of them, and so their children; their deaths are heard like any other."""
        for host in self._hosts.values():
            host.destroy()

    def close(self) -> None:
        """Hang up on all of them and wait for their ends."""
        for host in self._hosts.values():
            host.close()
        self._hosts.clear()
        self._selector.close()
