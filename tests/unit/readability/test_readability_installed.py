"""The ``textstat`` engine: the installed textstat's numbers, and never a download."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import clearml_otel
from clearml_otel.readability import METRICS
from support.fake_cmudict import write_fake_cmudict
from support.old_textstat import OldTextstat
from support.readability_texts import readability_texts

PACKAGE = Path(clearml_otel.__file__).parent
KNOWN = ["the", "readability", "of", "fish", "never", "a", "object", "statement", "value", "name"]
TEXT = "The readability of it all, isn't it? Never, said the fish! 👍 A wall."
CORPUS_NEEDED = "python -m nltk.downloader cmudict"

# What each program below begins with.
PROLOGUE = """
import json, logging, os, sys
sys.path.insert(0, os.environ["TEST_SOURCE"])
warnings, network = [], []
class Keep(logging.Handler):
    def emit(self, record):
        warnings.append(record.getMessage())
logging.getLogger("clearml_otel").addHandler(Keep(logging.WARNING))
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        network.append(event)
        raise OSError("no network in this test")
sys.addaudithook(watch)
from clearml_otel.readability import METRICS, Measurer
def show(**values):
    print(json.dumps({**values, "warnings": warnings, "network": network}))
"""
# Only the folder named in NLTK_DATA, whatever the machine has elsewhere.
ONE_FOLDER = """
import nltk
nltk.data.path[:] = [os.environ["NLTK_DATA"]]
"""


def run(program: str, data: Path, *, python: Path | str = sys.executable, flags: str = "") -> Any:
    """Run ``program`` in a fresh interpreter; it calls ``show`` once."""
    # the package by itself: where it is installed there are others beside it
    alone = data / "alone"
    alone.mkdir(exist_ok=True)
    if not (alone / PACKAGE.name).exists():
        (alone / PACKAGE.name).symlink_to(PACKAGE)
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    done = subprocess.run(
        [str(python), *flags.split(), "-c", PROLOGUE + textwrap.dedent(program)],
        env={**kept, "NLTK_DATA": str(data), "HOME": str(data), "TEST_SOURCE": str(alone)},
        check=False,
        capture_output=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_fake_cmudict(tmp_path / "nltk_data", KNOWN)
    return tmp_path / "nltk_data"


@pytest.mark.slow
def test_equal_to_the_installed_textstat(data: Path, tmp_path: Path) -> None:
    texts = [text for kind in readability_texts().values() for text in kind[::4]]
    assert len(texts) > 1_000
    file = tmp_path / "texts.json"
    file.write_text(json.dumps([t.encode("utf-8", "surrogatepass").hex() for t in texts]))
    found = run(
        f"""
        texts = [bytes.fromhex(t).decode("utf-8", "surrogatepass")
                 for t in json.load(open({str(file)!r}))]
        measurer = Measurer("textstat")
        ours = [repr(measurer(text)) for text in texts]
        import textstat
        theirs = [repr({{n: getattr(textstat, n)(text) for n in METRICS}}) for text in texts]
        show(different=[i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b])
        """,
        data,
    )
    assert [texts[i] for i in found["different"]] == []
    assert (found["warnings"], found["network"]) == ([], [])


def test_syllables_are_those_of_the_corpus(data: Path, tmp_path: Path) -> None:
    program = f"""
        show(metrics=Measurer("textstat")({TEXT!r}), version=Measurer("textstat").version)
    """
    some = run(program, data)
    write_fake_cmudict(tmp_path / "other", [*KNOWN, "isn't", "wall"])
    (tmp_path / "other/corpora/cmudict/cmudict").write_text("READABILITY 1 T AH0\n")
    other = run(program, tmp_path / "other")
    assert tuple(some["metrics"]) == tuple(other["metrics"]) == METRICS
    assert some["metrics"]["flesch_reading_ease"] != other["metrics"]["flesch_reading_ease"]
    assert some["version"].startswith("textstat-0.7.")
    assert some["version"].endswith(f"+nltk-cmudict-{len(KNOWN)}")
    assert other["version"].endswith("+nltk-cmudict-1")


@pytest.mark.parametrize("zipped", [False, True], ids=["missing", "zip only"])
def test_without_the_corpus_one_warning(zipped: bool, data: Path) -> None:
    if zipped:
        shutil.make_archive(str(data / "corpora/cmudict"), "zip", data / "corpora", "cmudict")
    shutil.rmtree(data / "corpora/cmudict")
    program = f"""
        {ONE_FOLDER.strip().replace(chr(10), chr(10) + "        ")}
        from clearml_otel.readability import register
        register("characters", len)
        one, two = Measurer("textstat"), Measurer("textstat")
        one.warm_up()
        show(results=[one({TEXT!r}), one("Again."), two("Hi")], version=one.version,
             imported="textstat" in sys.modules)
    """
    found = run(program, data)
    assert found["results"] == [{"characters": len(TEXT)}, {"characters": 6}, {"characters": 2}]
    assert found["version"] == ""
    assert not found["imported"]
    assert found["network"] == []
    (warning,) = found["warnings"]
    assert CORPUS_NEEDED in warning
    assert "NLTK_DATA" in warning
    assert "\n" not in warning


def test_a_download_is_only_tried_when_allowed(tmp_path: Path) -> None:
    found = run(
        f"""
        {ONE_FOLDER.strip().replace(chr(10), chr(10) + "        ")}
        show(result=Measurer("textstat", allow_download=True)("Some text."))
        """,
        tmp_path,
    )
    assert found["network"]
    assert found["result"] == {}
    (warning,) = found["warnings"]
    assert CORPUS_NEEDED in warning


def test_what_the_application_sets_does_not_matter(data: Path) -> None:
    found = run(
        f"""
        import textstat
        def meddle(language):
            textstat.set_lang(language)
            textstat.set_rounding_points(0)
            textstat.set_rm_apostrophe(False)
        meddle("de")
        measurer = Measurer("textstat")
        before = measurer({TEXT!r})
        meddle("es")
        after = measurer({TEXT!r})
        from textstat.textstat import textstatistics
        plain = textstatistics()
        expected = {{name: getattr(plain, name)({TEXT!r}) for name in METRICS}}
        show(before=before, after=after, expected=expected,
             application=textstat.flesch_reading_ease({TEXT!r}))
        """,
        data,
    )
    assert found["before"] == found["after"] == found["expected"]
    assert found["application"] != found["expected"]["flesch_reading_ease"]


def test_sixteen_threads_load_the_dictionary_once(data: Path) -> None:
    program = """
        import threading
        opened = []
        def note(event, arguments):
            if event == "open" and str(arguments[0]).endswith("cmudict/cmudict"):
                opened.append(event)
        sys.addaudithook(note)
        sys.setswitchinterval(1e-5)
        together = threading.Barrier({threads})
        results = []
        measurer = Measurer("textstat")
        def first_call():
            together.wait()
            results.append(measurer("Readability is measured by sixteen threads, at once!"))
        threads = [threading.Thread(target=first_call) for _ in range({threads})]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        show(opened=len(opened), results=len(results),
             different=[r for r in results if r != results[0]], metrics=len(results[0]))
    """
    alone = run(program.format(threads=1), data)
    together = run(program.format(threads=16), data)
    assert alone["opened"] > 0
    assert together["opened"] == alone["opened"]
    assert (together["results"], together["different"]) == (16, [])
    assert together["metrics"] == 16


def test_texts_are_forgotten(data: Path) -> None:
    found = run(
        """
        import gc
        measurer = Measurer("textstat")
        text = " ".join(["remembered", "words", "of a text"] * 9) + "."
        measurer(text)
        gc.collect()
        show(references=sys.getrefcount(text))
        """,
        data,
    )
    # the name and the argument of getrefcount
    assert found["references"] == 2


@pytest.mark.slow
def test_textstat_074_works_without_a_corpus(old_textstat: OldTextstat, tmp_path: Path) -> None:
    found = run(
        f"""
        measurer = Measurer("textstat")
        show(metrics=[measurer({TEXT!r}), measurer("..."), measurer("👍")],
             version=measurer.version)
        """,
        tmp_path,
        python=old_textstat.python,
        flags="-W ignore",
    )
    whole, *without_words = found["metrics"]
    assert whole == old_textstat.measure([TEXT])[0]
    assert found["version"].startswith("textstat-0.7.4+pyphen-")
    # It divides by zero there: these two are left out, each reported once.
    left = [name for name in METRICS if name not in {"gulpease_index", "osman"}]
    assert [list(metrics) for metrics in without_words] == [left, left]
    gulpease, osman = found["warnings"]
    assert "gulpease_index is left out" in gulpease
    assert "osman is left out" in osman


@pytest.mark.slow
def test_textstat_074_without_pkg_resources(old_textstat: OldTextstat, tmp_path: Path) -> None:
    found = run(
        """
        sys.modules["pkg_resources"] = None   # setuptools 82 has none
        show(result=Measurer("textstat")("Some text."))
        """,
        tmp_path,
        python=old_textstat.python,
    )
    assert found["result"] == {}
    (warning,) = found["warnings"]
    assert 'pip install "setuptools<82"' in warning


@pytest.mark.parametrize("version", ["0.7.3", "0.7.6", "0.7.10"])
def test_versions_that_do_not_work_are_refused(version: str, data: Path, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    (packages / f"textstat-{version}.dist-info").mkdir(parents=True)
    metadata = packages / f"textstat-{version}.dist-info" / "METADATA"
    metadata.write_text(f"Metadata-Version: 2.1\nName: textstat\nVersion: {version}\n")
    (packages / "textstat").mkdir()
    # as 0.7.6, whose wheel lacks a part
    (packages / "textstat" / "__init__.py").write_text("from . import backend\n")
    found = run(
        f"""
        sys.path.insert(0, {str(packages)!r})
        show(result=Measurer("textstat")("Some text."))
        """,
        data,
    )
    assert found["result"] == {}
    (warning,) = found["warnings"]
    assert f"textstat {version}" in warning
    assert {"0.7.3": "too old", "0.7.6": "install another", "0.7.10": "downloads"}[
        version
    ] in warning


@pytest.mark.parametrize(("engine", "package"), [("seed", "pyphen"), ("textstat", "textstat")])
def test_missing_packages_are_named(engine: str, package: str, tmp_path: Path) -> None:
    found = run(  # -S: nothing is installed
        f"""
        from clearml_otel.readability import register
        register("characters", len)
        measurer = Measurer({engine!r})
        show(results=[measurer("text"), measurer("texts")], version=measurer.version)
        """,
        tmp_path,
        flags="-S -E",
    )
    assert found["results"] == [{"characters": 4}, {"characters": 5}]
    assert found["version"] == ""
    (warning,) = found["warnings"]
    assert f"pip install {package}" in warning
