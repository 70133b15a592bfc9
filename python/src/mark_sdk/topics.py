"""Names of MQTT topics and filters: what is one, and what matches. `+` is one level, `#` all that follow."""

from __future__ import annotations

BYTES_MAX = 50_000  # with the largest data still a frame that a broker takes


def check_topic(topic: str) -> str:
    """`topic`, or ValueError."""
    _check(topic)
    if "+" in topic or "#" in topic:
        raise ValueError(f"{topic!r:.100} is no topic: + and # belong to filters")
    return topic


def check_filter(text: str) -> str:
    _check(text)
    levels = text.split("/")
    for i, level in enumerate(levels):
        last = i == len(levels) - 1
        if len(level) > 1 and ("+" in level or "#" in level) or level == "#" and not last:
            raise ValueError(f"{text!r:.100} is no filter: + is a whole level, # the whole last one")
    return text


def check_level(name: str) -> str:
    """A module's or request's name: one level of a topic."""
    check_topic(name)
    if "/" in name:
        raise ValueError(f"{name!r:.100} is no name: it holds a slash")
    return name


def matches(text: str, topic: str) -> bool:
    if topic.startswith("$") and text[:1] in "+#":
        return False
    wanted, there = text.split("/"), topic.split("/")
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(there) or level != "+" and level != there[i]:
            return False
    return len(wanted) == len(there)


def _check(text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"a topic is text, not {type(text).__name__}")
    if not text or "\0" in text or len(text.encode()) > BYTES_MAX:
        raise ValueError(f"{text!r:.100} is no topic: 1 to {BYTES_MAX} bytes without NUL")
