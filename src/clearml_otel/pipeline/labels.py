"""The series names of what was published."""

from __future__ import annotations


class Labels:
    """Series names, each given once: a second session of one name gets a number."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._last: dict[str, int] = {}

    def new(self, name: str) -> str:
        """A name that no table was published under yet.

        Two tables of one title, series and iteration overwrite each other in ClearML.
        """
        # a service may flush one name thousands of times
        number = self._last.get(name, 1)
        label = name if number == 1 else f"{name} ({number})"
        while label in self._given:
            number += 1
            label = f"{name} ({number})"
        self._last[name] = number
        self._given.add(label)
        return label

    def take(self, label: str) -> None:
        """This name was given by another process that wrote to the same task."""
        self._given.add(label)
