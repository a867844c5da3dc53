"""Writes what this process receives on its sockets to the file TAP: the events of a host process."""

import os
import socket

_receive = socket.socket.recv


def _tapped(self, *arguments):
    data = _receive(self, *arguments)
    if self.family == socket.AF_UNIX:
        with open(os.environ["TAP"], "ab") as file:
            file.write(data)
    return data


socket.socket.recv = _tapped
