"""textstat 0.7.4, the version whose numbers the ``seed`` engine promises, in its own environment.

It needs ``pkg_resources``, which setuptools gave up, and the version installed beside the tests
computes other numbers. So the tests make a virtual environment for it, once for a test session.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from clearml_otel.readability import METRICS
from support.environments import environment_with

_REQUIREMENTS = ("textstat==0.7.4", "setuptools<82")
_SERVER = Path(__file__).with_name("old_textstat_server.py")


class OldTextstat:
    """One process that runs textstat 0.7.4.

    Args:
        python: the interpreter of the environment that has it.
    """

    def __init__(self, python: Path) -> None:
        self.python = python
        self._process = subprocess.Popen(
            [self.python, "-I", "-W", "ignore", _SERVER, *METRICS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(
        self, texts: Sequence[str], *, where_it_raises: object = 0.0
    ) -> list[dict[str, Any]]:
        """The 16 metrics of each text.

        Args:
            texts: any texts, lone surrogates included.
            where_it_raises: the value of a metric that textstat divides by zero for.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        results: list[dict[str, Any]] = []
        for text in texts:
            # JSON would make one character of two lone surrogates that happen to fit.
            self._process.stdin.write(text.encode("utf-8", "surrogatepass").hex() + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            assert answer, "textstat 0.7.4 has died; its traceback is on stderr"
            values = json.loads(answer)
            results.append({k: where_it_raises if v is None else v for k, v in values.items()})
        return results

    def easy_words(self) -> bytes:
        """The list of easy words that textstat 0.7.4 reads."""
        code = "import textstat; print(textstat.__path__[0])"
        command = [self.python, "-I", "-W", "ignore", "-c", code]
        folder = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        return Path(folder, "resources", "en", "easy_words.txt").read_bytes()

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="session")
def old_textstat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldTextstat]:
    """textstat 0.7.4; parallel test processes share its environment."""
    # The same patterns on both sides: what is compared is the code.
    pyphen = f"pyphen=={metadata.version('pyphen')}"
    textstat = OldTextstat(
        environment_with(tmp_path_factory, "old-textstat", *_REQUIREMENTS, pyphen)
    )
    yield textstat
    textstat.close()
