"""The number of a process among those on its machine that compute on GPUs, so that each takes its own."""

from __future__ import annotations

import os
import socket
from functools import cache

_MOST = 1024


@cache
def own_number() -> int:
    """Smallest number that no other process of this user has on this machine, from 0; it is kept until the process ends.

    The number is the name of a socket without a file, which Linux gives to one process and takes back with it. Nobody
    connects to it. Where there are no such sockets, or no free number, it is 0.
    """
    for number in range(_MOST):
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            held.bind(f"\0croplayer-gpu-{os.getuid()}-{number}")
        except OSError:
            held.close()
            continue
        _held.append(held)
        return number
    return 0


_held: list[socket.socket] = []
