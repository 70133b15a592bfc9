"""Where a broker is, and the socket to it: unix:/path, mqtt://host:port, mqtts://host:port or host:port."""

from __future__ import annotations

import socket
from typing import Any, Callable, NamedTuple, Optional
from urllib.parse import urlsplit

PORTS = {"mqtt": 1883, "mqtts": 8883}


class Address(NamedTuple):
    path: Optional[str]
    host: str = ""
    port: int = 0
    tls: bool = False


def parse_address(url: str) -> Address:
    """Raises ValueError. The URL is not repeated in it: it may hold a password."""
    if url.startswith("unix:"):
        path = url[5:]
        if not path.startswith("/") or "\0" in path:
            raise ValueError("unix: needs an absolute path")
        return Address(path)
    parts = urlsplit(url if "://" in url else f"mqtt://{url}")
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
        raise ValueError("the address is none of unix:/path, mqtt://host:port, mqtts://host:port, host:port")
    return Address(None, parts.hostname, parts.port or PORTS[parts.scheme], parts.scheme == "mqtts")


def dial(address: Address, timeout_s: float, hold: Callable[[Any], None]) -> None:
    """Connects, within `timeout_s` for each step. `hold` gets each socket before anything waits for it: a
    fork at that moment must know it. Raises OSError."""
    if address.path is not None:
        plain = _hold(socket.AF_UNIX, timeout_s, hold)
        plain.connect(address.path)
        return
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    error: Optional[OSError] = None
    for family, _, _, _, where in found:
        plain = _hold(family, timeout_s, hold)
        try:
            plain.connect(where)
        except OSError as this:
            plain.close()
            error = this
            continue
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.tls:
            _secure(plain, address.host, hold)
        return
    raise error or OSError("the host has no address")


def _hold(family: int, timeout_s: float, hold: Callable[[Any], None]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(timeout_s)
    hold(made)
    return made


def _secure(plain: socket.socket, host: str, hold: Callable[[Any], None]) -> None:
    import ssl  # 20 ms that only TLS costs

    context = ssl.create_default_context()
    secured = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    hold(secured)
    secured.do_handshake()
