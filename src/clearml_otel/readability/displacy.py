"""Pages that show what spaCy sees in a text: the grammar of its sentences, and its named entities.

The pictures are those of displaCy, spaCy's own visualizer. spaCy and a model of it are loaded by
the first use, which takes seconds, and a page of 500 words a third of a second: nothing for the
thread that waits for an answer.
"""

from __future__ import annotations

import contextlib
import html
import importlib
import re
import threading
from collections.abc import Generator
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

DEFAULT_MODEL: Final = "en_core_web_sm"
MAX_WORDS: Final = 500
_FAMILY: Final = "en_core_web"
_INSTALL_MODEL: Final = f"install one with: python -m spacy download {DEFAULT_MODEL}"
_INSTALL_SPACY: Final = 'install it with: pip install "clearml-otel[visualize]"'

# a "word" may be a megabyte of base64, and spaCy takes no more than a million characters
_CHARACTERS_A_WORD: Final = 40
_MOST_CHARACTERS: Final = 1_000_000
_WORD: Final = re.compile(r"\S+")
# HTML has no place for them; tabs and line ends stay
_CONTROLS: Final = dict.fromkeys(
    {*range(0x20), 0x7F} - {ord("\t"), ord("\n")}, "\N{REPLACEMENT CHARACTER}"
)

# the text is a model's answer: should any of it ever get past the escaping, nothing runs or loads
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
</head>
<body style="margin: 0; padding: 2rem; background: #fff; color: #000; font: 16px sans-serif">
{notes}{content}
<p style="color: #666; font-size: 12px">{footer}</p>
</body>
</html>
"""


class VisualizerError(Exception):
    """No page can be made now; ``str(error)`` is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Pages:
    """Two whole HTML pages that need nothing else to be shown."""

    dependencies: str
    entities: str


class Visualizer:
    """Draws texts with one spaCy model; may be shared by threads.

    Args:
        model: the model to use, a package's name or a folder. Without it, or where it cannot be
            loaded, ``en_core_web_sm``, else any other installed ``en_core_web…``.
    """

    def __init__(self, model: str = "") -> None:
        self._wanted = model
        self._model = ""
        self._versions = ""
        self._nlp: Any = None
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        """The name of the model in use; empty until it was loaded."""
        return self._model

    def load(self) -> None:
        """Load spaCy and the model, unless they are loaded.

        Raises:
            VisualizerError: one of them is missing or broken.
        """
        with self._lock:
            self._loaded()

    def pages(self, text: str, max_words: int = MAX_WORDS) -> Pages:
        """Draw a text.

        Args:
            text: any text; it is escaped.
            max_words: of a longer text only its first so many words are drawn; the page says so.

        Returns:
            The pages of its grammar, one picture a sentence, and of its named entities.

        Raises:
            VisualizerError: spaCy or its model is missing or broken.
        """
        shown, notes = _shortened(_showable(text), max_words)
        with self._lock:
            nlp = self._loaded()
            with _memory_zone(nlp):
                doc = nlp(shown)
                return Pages(
                    self._page("Dependencies", *_dependencies(doc), notes),
                    self._page("Entities", *_entities(doc), notes),
                )

    def _page(self, title: str, content: str, note: str, notes: list[str]) -> str:
        lines = [f"<p><em>{html.escape(each)}</em></p>\n" for each in (*notes, note) if each]
        return _PAGE.format(
            policy=_POLICY,
            title=title,
            notes="".join(lines),
            content=content,
            footer=html.escape(f"{title} by {self._versions}"),
        )

    def _loaded(self) -> Any:
        if self._nlp is None:
            spacy = _spacy()
            self._model, self._nlp = _first_model(spacy, self._wanted)
            version = self._nlp.meta.get("version", "")
            self._versions = f"spaCy {spacy.__version__}, model {self._model} {version}"
        return self._nlp


def _spacy() -> Any:
    try:
        spacy = importlib.import_module("spacy")
    except ModuleNotFoundError as error:
        if error.name == "spacy":
            raise VisualizerError(f"spaCy is not installed; {_INSTALL_SPACY}") from None
        raise VisualizerError(f"spaCy lacks {error.name}; {_INSTALL_SPACY}") from error
    except Exception as error:
        # such as a NumPy that it was not built for
        raise VisualizerError(
            f"spaCy cannot be loaded: {_line(error)}; {_INSTALL_SPACY}"
        ) from error
    if not hasattr(spacy, "load"):
        raise VisualizerError(
            "this process was forked while spaCy was being loaded, and has half of it; "
            "`import spacy` before forking"
        )
    return spacy


def _first_model(spacy: Any, wanted: str) -> tuple[str, Any]:
    """The first model that loads, and its name."""
    # by their names alone: spaCy's own list of them fails where one of them is broken
    models = metadata.entry_points(group="spacy_models").names
    installed = sorted(name for name in models if name.startswith(_FAMILY))
    broken: list[str] = []
    for name in dict.fromkeys((wanted, DEFAULT_MODEL, *installed)):
        if not name:
            continue
        try:
            # nothing here shows lemmas, and they are a tenth of the work
            return name, spacy.load(name, exclude=["lemmatizer"])
        except Exception as error:  # noqa: BLE001 - a model is somebody's code
            if name == wanted or name in installed:
                broken.append(f"{name}: {_line(error)}")
    tried = f" ({'; '.join(broken)})" if broken else ""
    raise VisualizerError(f"no spaCy model can be loaded{tried}; {_INSTALL_MODEL}")


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


@contextlib.contextmanager
def _memory_zone(nlp: Any) -> Generator[None]:
    """Give back the words of a text after it: a model of spaCy's keeps each new one for ever."""
    zone = getattr(nlp, "memory_zone", None)
    with zone() if zone is not None else contextlib.nullcontext():
        yield


def _showable(text: str) -> str:
    """The text without what cannot be encoded or has no place in HTML."""
    plain = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return plain.replace("\r\n", "\n").translate(_CONTROLS).strip()


def _shortened(text: str, max_words: int) -> tuple[str, list[str]]:
    """The start of the text, and notes on what it lacks."""
    end = 0
    words = 0
    for word in _WORD.finditer(text):
        if words == max_words:
            break
        words, end = words + 1, word.end()
    notes: list[str] = []
    if end < len(text):
        notes.append(f"Cut: the first {max_words:,} words of {len(text):,} characters of text.")
    longest = min(max_words * _CHARACTERS_A_WORD, _MOST_CHARACTERS)
    if end > longest:
        end = longest
        notes = [f"Cut: the first {longest:,} of {len(text):,} characters of text."]
    return text[:end], notes


def _dependencies(doc: Any) -> tuple[str, str]:
    """The pictures of the sentences, and what there is to note."""
    if not len(doc):
        return "", "The text is blank."
    if not doc.has_annotation("DEP"):
        return f"<p>{html.escape(doc.text)}</p>", "The model has no parser: no dependencies."
    displacy = importlib.import_module("spacy.displacy")
    renderer = displacy.DependencyRenderer()
    pictures: list[str] = []
    for number, sentence in enumerate(doc.sents):
        if sentence.text.strip():
            parsed = displacy.parse_deps(sentence)
            renderer.direction = parsed["settings"]["direction"]
            renderer.lang = parsed["settings"]["lang"]
            # ids of our own, for displaCy's are random: equal texts give equal pages
            picture = renderer.render_svg(f"sentence-{number}", parsed["words"], parsed["arcs"])
            pictures.append(f'<figure style="margin: 0 0 3rem">{picture}</figure>')
    return "\n".join(pictures), ""


def _entities(doc: Any) -> tuple[str, str]:
    """The text with its entities marked, and what there is to note."""
    if not len(doc):
        return "", "The text is blank."
    displacy = importlib.import_module("spacy.displacy")
    note = "" if doc.ents else "No named entities were found in this text."
    # displaCy's own reading of a text without entities warns, each time
    parsed: Any = displacy.parse_ents(doc) if doc.ents else {"text": doc.text, "ents": []}
    content: str = displacy.EntityRenderer().render([parsed])
    return content, note
