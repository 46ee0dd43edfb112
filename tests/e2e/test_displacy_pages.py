"""The displaCy pages of a session as a browser shows them."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import run_program
from support.session_files import the_only_zip

PROGRAM = Path(__file__).parents[1] / "support" / "visualize_program.py"
CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# what is on the screen, measured by the page itself, outside of its own content policy
MEASURE = """
<!DOCTYPE html><title>measuring</title>
<iframe id="page" width="1600" height="900" src="{page}"></iframe>
<pre id="seen"></pre>
<script>
document.getElementById("page").addEventListener("load", (event) => {{
  const inside = event.target.contentDocument;
  const box = (element) => {{
    const area = element.getBoundingClientRect();
    return area.width > 5 && area.height > 5 ? element.textContent.trim() : "";
  }};
  const all = (selector) => Array.from(inside.querySelectorAll(selector), box);
  document.getElementById("seen").textContent = JSON.stringify({{
    words: all("tspan.displacy-word"),
    labels: all("textPath.displacy-label"),
    marks: all("mark.entity").map((text) => text.split(/\\s+/).join(" ")),
    text: inside.body.innerText,
  }});
}});
</script>
"""

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on the PATH (Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The two pages of a real run, by kind, as files."""
    folder = tmp_path_factory.mktemp("pages")
    outcome = run_program(
        folder,
        PROGRAM,
        "flush",
        CLEARML_OFFLINE_MODE="1",
        CLEARML_CACHE_DIR=str(folder / "cache"),
        OTEL_EXPORTER_CLEARML_FLUSH_TIMEOUT_S="120",
    )
    assert (outcome.status, outcome.stderr) == (0, "")
    with zipfile.ZipFile(the_only_zip(folder)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".html")]
        archive.extractall(folder / "session")
    return {Path(name).name.partition("-")[0]: folder / "session" / name for name in names}


@pytest.fixture
def browse(tmp_path: Path) -> Callable[..., bytes]:
    def run(*arguments: str) -> bytes:
        assert CHROMIUM is not None
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [CHROMIUM, *FLAGS, profile, "--window-size=1700,1000", *arguments]
        done = subprocess.run(command, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


def seen(browse: Callable[..., bytes], page: Path, tmp_path: Path) -> dict[str, list[str]]:
    import html
    import json

    measure = tmp_path / "measure.html"
    measure.write_text(MEASURE.format(page=page.as_uri()))
    dom = browse(
        "--allow-file-access-from-files",
        "--disable-web-security",
        "--virtual-time-budget=5000",
        "--dump-dom",
        measure.as_uri(),
    ).decode()
    found = re.search(r'<pre id="seen">(.+?)</pre>', dom, re.S)
    assert found, dom
    return json.loads(html.unescape(found[1]))


@needs_chromium
def test_the_grammar_is_on_the_screen(
    pages: dict[str, Path], browse: Callable[..., bytes], tmp_path: Path
) -> None:
    shown = seen(browse, pages["dependencies"], tmp_path)
    assert shown["words"] == ["Barack", "Obama", "was", "born", "in", "Hawaii."]
    assert {"nsubjpass", "auxpass", "prep", "pobj"} <= set(shown["labels"])


@needs_chromium
def test_the_entities_are_on_the_screen(
    pages: dict[str, Path], browse: Callable[..., bytes], tmp_path: Path
) -> None:
    shown = seen(browse, pages["entities"], tmp_path)
    assert shown["marks"] == ["Barack Obama PERSON", "Hawaii GPE"]
    assert "was born in" in shown["text"]


@needs_chromium
@pytest.mark.parametrize("kind", ["dependencies", "entities"])
def test_a_page_paints(
    kind: str, pages: dict[str, Path], browse: Callable[..., bytes], tmp_path: Path
) -> None:
    picture, empty, blank = (tmp_path / name for name in ("page.png", "empty.png", "blank.html"))
    blank.write_text("<!DOCTYPE html><title>blank</title>")
    browse(f"--screenshot={picture}", pages[kind].as_uri())
    browse(f"--screenshot={empty}", blank.as_uri())
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 2 * empty.stat().st_size
