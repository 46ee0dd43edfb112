"""What is recovered of other instrumentations' spans, really run, is what the README says."""

from __future__ import annotations

import pytest

from support.peers.matrix import README, in_readme, tables


@pytest.mark.slow
def test_the_readme_says_what_is_recovered() -> None:
    made = tables()
    assert in_readme(README.read_text()) == made, (
        "run `python -m support.peers.matrix` in the folder tests"
    )
