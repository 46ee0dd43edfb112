"""What ends a command with a line on stderr and exit status 2."""

from __future__ import annotations

EXIT_STATUS = 2


class CommandError(Exception):
    """A command that cannot go on.

    Args:
        messages: a line each, mostly one: what is wrong and what to do.
    """

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages
