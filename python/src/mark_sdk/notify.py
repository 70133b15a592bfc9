"""sd_notify over NOTIFY_SOCKET: reaches the keeper also while MARK's daemon is away. Never waits, never
raises."""

from __future__ import annotations

import errno
import socket
from typing import Optional

_FULL = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.EINTR)


class NotifySocket:
    def __init__(self, path: Optional[str]) -> None:
        self._path = "\0" + path[1:] if path is not None and path.startswith("@") else path
        self._socket: Optional[socket.socket] = None

    def send(self, text: str) -> bool:
        """False only where it is worth trying again: nobody had room or nobody listened yet."""
        if self._path is None:
            return True
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            self._socket.sendto(text.encode("utf-8", "replace"), self._path)
        except OSError as error:
            return error.errno not in (*_FULL, errno.ENOENT, errno.ECONNREFUSED)
        return True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
