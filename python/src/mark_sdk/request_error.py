"""How a request ends that brings no value (docs/link.md), and how a handler refuses one."""

from __future__ import annotations


class RequestRefused(Exception):
    """It was not executed."""

    def __init__(self, code: str, message: str, id: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.id = code, message, id


class RequestUnknown(Exception):
    """It may have been executed: whoever asked must find out."""

    def __init__(self, message: str, id: str = "") -> None:
        super().__init__(message)
        self.message, self.id = message, id


class Refuse(Exception):
    """Raised by a handler that did not do what it was asked for."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = str(code), str(message)
