"""Several changes of a PersistentMap as one: seen by nobody before it ends well, on the disk all or none."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, Optional, Type

from .json_text import check_key, from_text, to_text

if TYPE_CHECKING:
    from .persistent_map import PersistentMap


class Transaction(MutableMapping[str, Any]):
    """The map as it will be; nothing of it is in the map before the `with` block ends well."""

    def __init__(self, whole: PersistentMap, durable: bool) -> None:
        self._map, self._durable = whole, durable
        self._changes: Dict[str, Optional[str]] = {}

    def __enter__(self) -> Transaction:
        self._map._turns.acquire()
        self._changes = {}
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            if kind is None and self._changes:
                self._map._take(self._changes)
        finally:
            self._map._turns.release()
        if kind is None and self._durable:
            self._map.flush()

    def __getitem__(self, key: str) -> Any:
        if key not in self._changes:
            return self._map[key]
        text = self._changes[key]
        if text is None:
            raise KeyError(key)
        return from_text(text)

    def __setitem__(self, key: str, value: Any) -> None:
        check_key(key)
        self._changes[key] = to_text(value)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._changes[key] = None

    def __contains__(self, key: object) -> bool:
        if key in self._changes:
            return self._changes[key] is not None
        return key in self._map

    def __iter__(self) -> Iterator[str]:
        old = [key for key in self._map if key not in self._changes]
        return iter(old + [key for key, text in self._changes.items() if text is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)
