"""The host processes of a run: one an environment that forks, and one that starts interpreters where one is needed."""

from __future__ import annotations

import selectors
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.execution.environment import Environment
from harness.execution.host import Event, HostProcess

Key = tuple[str, bool]
"""An environment's label, and whether the host starts interpreters instead of forking."""


class Hosts:
    """Starts hosts when they are first needed, hears all of them, and lets go of the dead. From the main thread."""

    def __init__(self, environments: Mapping[str, Environment], logs: Path) -> None:
        self._environments, self._logs = environments, logs
        self._hosts: dict[Key, HostProcess] = {}
        self._selector = selectors.DefaultSelector()

    def started(self, key: Key) -> HostProcess:
        """The host of this key, started if it is not there."""
        if key not in self._hosts:
            label, spawn = key
            host = HostProcess(self._environments[label], spawn=spawn, log=self._logs / f"{label}.log")
            self._hosts[key] = host
            self._selector.register(host, selectors.EVENT_READ, key)
        return self._hosts[key]

    def get(self, key: Key) -> HostProcess | None:
        """The host of this key, where there is one."""
        return self._hosts.get(key)

    def heard(self, timeout_s: float) -> Iterator[tuple[Key, Sequence[Event] | None]]:
        """What hosts have said within the time: events, or None from one that has died."""
        for key, _ in self._selector.select(timeout=timeout_s):
            if key.data in self._hosts:  # not buried since, for another reason
                yield key.data, self._hosts[key.data].events()

    def bury(self, key: Key) -> str:
        """Let go of a dead host; returns the end of its log."""
        host = self._hosts.pop(key)
        self._selector.unregister(host)
        words = host.last_words()
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
