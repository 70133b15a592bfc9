"""A test with links to a broker of its own, on a unix socket in its directory."""

from __future__ import annotations

import logging
from typing import Any, List, Tuple

from mark_sdk import Link, protocol

from .fake_broker import FakeBroker
from .place import Place


class Linked(Place):
    def setUp(self) -> None:
        super().setUp()
        self.path = str(self.root / "link.sock")
        protocol._warned.clear()
        logging.getLogger("mark_sdk").setLevel(logging.CRITICAL)
        self.addCleanup(logging.getLogger("mark_sdk").setLevel, logging.NOTSET)

    def broker(self, **more: Any) -> FakeBroker:
        made = FakeBroker(self.path, **more)
        self.addCleanup(made.close)
        return made

    def link(self, name: str = "vida", password: str = "right") -> Link:
        made = Link(f"unix:{self.path}", name, password)
        self.addCleanup(made.close, 0)
        made.start()
        return made

    def hears(self, link: Link, filter: str = "#") -> List[Tuple[str, Any]]:
        heard: List[Tuple[str, Any]] = []
        link.subscribe(filter, lambda data, topic: heard.append((topic, data)))
        return heard
