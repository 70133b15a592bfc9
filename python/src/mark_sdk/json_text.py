"""JSON values to text and back, for PersistentMap: what comes back is what went in, or it raises. (A tuple
comes back as a list.)
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

KEY_CHARACTERS_MAX = 4096
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ENCODER_ASCII = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))
# Made once: JSONEncoder.encode makes one for each value, which costs more than the value.
_chunks: Any = None
_make_chunks: Any = getattr(json.encoder, "c_make_encoder", None)
if _make_chunks is not None:
    _chunks = _make_chunks(
        None, _ENCODER.default, json.encoder.encode_basestring, None, ":", ",", False, False, False
    )
_HALF = re.compile("[\ud800-\udfff]")
_PLAIN = (str, int, float, bool, type(None))


def to_text(value: object) -> str:
    """Raises TypeError or ValueError for what is no JSON."""
    if not isinstance(value, _PLAIN):
        _check(value)
    text = "".join(_chunks(value, 0)) if _chunks is not None else _ENCODER.encode(value)
    # Half a surrogate pair cannot be stored as UTF-8, its escape can.
    return text if text.isascii() or not _HALF.search(text) else _ENCODER_ASCII.encode(value)


def from_text(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse)


def check_key(key: object) -> None:
    if not isinstance(key, str):
        raise TypeError(f"PersistentMap: a key is text, not {type(key).__name__}")
    if len(key) > KEY_CHARACTERS_MAX:
        raise ValueError(f"PersistentMap: a key has at most {KEY_CHARACTERS_MAX} characters")
    if "\0" in key or not key.isascii() and _HALF.search(key):
        raise ValueError("PersistentMap: a key holds no NUL and no half character")


def _check(value: object) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r:.100} of an object is no text")
            if not isinstance(item, _PLAIN):
                _check(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            if not isinstance(item, _PLAIN):
                _check(item)
    else:
        raise TypeError(f"{type(value).__name__} is no JSON")


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
