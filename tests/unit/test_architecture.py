"""The arrows between the packages point one way, and importing costs next to nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import clearml_otel
from clearml_otel.conventions import dispatch

SOURCE = Path(clearml_otel.__file__).parent
NAME = "clearml_otel"
ANYTHING_OF_LANGCHAIN = ("langchain", "langchain_core", "langchain_classic", "langgraph")

# what each may import of this package; everything else of it is forbidden
OWN: dict[str, set[str]] = {
    "version": set(),
    "attributes": set(),
    "secret_texts": set(),
    "diagnostics": {"secret_texts"},
    "id_generator": set(),
    "session_context": set(),
    "score_attributes": {"attributes"},
    "capture": {"diagnostics"},
    "settings": {"capture", "diagnostics", "readability"},
    "lifecycle": {"diagnostics"},
    "readability": {"diagnostics"},
    "spans": set(),
    "conventions": {"attributes", "spans"},
    "records": {"attributes", "spans", "conventions", "readability"},
    "langchain": {
        "attributes",
        "capture",
        "diagnostics",
        "readability",
        "score_attributes",
        "secret_texts",
        "session_context",
        "version",
    },
    "clearml": {"diagnostics", "version"},
    "pipeline": {
        "attributes",
        "capture",
        "clearml",
        "conventions",
        "diagnostics",
        "lifecycle",
        "readability",
        "records",
        "score_attributes",
        "secret_texts",
        "settings",
        "spans",
        "version",
    },
}
# what each must never import of others, not even lazily
FOREIGN: dict[str, tuple[str, ...]] = {
    "readability": ("opentelemetry", *ANYTHING_OF_LANGCHAIN, "clearml", "pandas"),
    "spans": (*ANYTHING_OF_LANGCHAIN, "clearml", "pandas"),
    "conventions": (*ANYTHING_OF_LANGCHAIN, "clearml", "opentelemetry", "pandas"),
    "records": (*ANYTHING_OF_LANGCHAIN, "clearml", "opentelemetry", "pandas"),
    "langchain": ("clearml", "opentelemetry.sdk", "pandas"),
    "clearml": (*ANYTHING_OF_LANGCHAIN, "opentelemetry.sdk", "pandas"),
    "pipeline": ANYTHING_OF_LANGCHAIN,
    "settings": (*ANYTHING_OF_LANGCHAIN, "clearml", "opentelemetry", "pandas"),
    "attributes": (*ANYTHING_OF_LANGCHAIN, "clearml", "opentelemetry", "pandas"),
    "diagnostics": (*ANYTHING_OF_LANGCHAIN, "clearml", "opentelemetry", "pandas"),
    "lifecycle": (*ANYTHING_OF_LANGCHAIN, "clearml", "opentelemetry", "pandas"),
    "secret_texts": (*ANYTHING_OF_LANGCHAIN, "clearml", "opentelemetry", "pandas"),
}
# never at import time, anywhere outside of the folder named
LAZY = {"clearml": (), "pandas": (), "spacy": (), "textstat": (), "nltk": ()}


def modules(part: str) -> list[Path]:
    single = SOURCE / f"{part}.py"
    return [single] if single.exists() else sorted((SOURCE / part).rglob("*.py"))


def imported(path: Path, *, types_too: bool = False, top_only: bool = False) -> Iterator[str]:
    """The dotted names that a module imports, those for type checkers only left out."""
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not types_too:
            skipped.update(child for part in node.body for child in ast.walk(part))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and top_only:
            skipped.update(child for part in node.body for child in ast.walk(part))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            here = (NAME, *path.relative_to(SOURCE).parts[:-1])
            above = here[: len(here) + 1 - node.level] if node.level else ()
            whole = ".".join(part for part in (*above, node.module) if part)
            yield from (f"{whole}.{alias.name}" for alias in node.names)


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("part", OWN)
def test_the_arrows_inside(part: str) -> None:
    allowed = OWN[part] | {part}
    wrong = {
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in modules(part)
        for name in imported(path)
        if within(name, (NAME,)) and name.split(".")[1] not in allowed
    }
    assert wrong == set()


@pytest.mark.parametrize("part", FOREIGN)
def test_the_arrows_outside(part: str) -> None:
    wrong = {
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in modules(part)
        for name in imported(path)
        if within(name, FOREIGN[part])
        # the one adapter to the SDK's spans reads their ids with the API's own functions
        and not (path.name == "sdk.py" and part == "spans")
        # the server transport is the one place where ClearML is imported
        and not (part == "clearml" and within(name, ("clearml",)))
    }
    assert wrong == set()


def test_heavy_imports_are_lazy() -> None:
    wrong = {
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in SOURCE.rglob("*.py")
        for name in imported(path, top_only=True)
        if within(name, tuple(LAZY))
    }
    assert wrong == set()


def test_langchain_is_imported_in_its_folder_only() -> None:
    wrong = {
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0].removesuffix(".py") not in {"langchain", "demo"}
        # the command of the demo
        and path != SOURCE / "cli" / "demo.py"
        for name in imported(path)
        if within(name, ANYTHING_OF_LANGCHAIN)
    }
    assert wrong == set()


def test_every_module_postpones_annotations_and_is_short() -> None:
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        assert "from __future__ import annotations" in text, path
        assert len(text.splitlines()) < 400, path
        assert path.name != "utils.py"


def test_functions_are_short() -> None:
    long = [
        f"{path.relative_to(SOURCE)}: {node.name}"
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno >= 50
    ]
    assert long == []


def test_every_attribute_name_we_write_is_in_one_place() -> None:
    literal = re.compile(r"""["'](?:gen_ai|langchain|readability|clearml)\.[a-z_.]+["']""")
    # the names that other instrumentations write stand in the tables of their conventions
    tables = {
        SOURCE / "conventions" / f"{convention.name}.py" for convention in dispatch.CONVENTIONS
    }
    found = {
        f"{path.relative_to(SOURCE)}: {text}"
        for part in ("langchain", "conventions", "records")
        for path in modules(part)
        if path not in tables
        for text in literal.findall(path.read_text())
    }
    # modules of LangChain's are no attributes
    assert found <= {'langchain/execution_seams.py: "langchain.chains.base"'}


# -- real processes ----------------------------------------------------------------------

HEAVY = ("clearml", "pandas", "spacy", "textstat", "numpy", *ANYTHING_OF_LANGCHAIN)


def loaded_after(program: str) -> set[str]:
    code = (
        f"{program}\nimport sys\nprint(*{HEAVY!r} and [n for n in {HEAVY!r} if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("program", "allowed"),
    [
        ("import clearml_otel", set[str]()),
        ("from clearml_otel import ClearMLSpanExporter, ClearMLSpanProcessor, Tracker", set[str]()),
        ("from clearml_otel import Settings, configure", set[str]()),
        ("import clearml_otel.records, clearml_otel.spans.otlp_json", set[str]()),
        ("import clearml_otel.pipeline.replay", set[str]()),
        ("import clearml_otel.readability", set[str]()),
        ("from clearml_otel import ClearMLCallbackHandler", {"langchain_core"}),
        ("from clearml_otel import LangChainInstrumentor", {"langchain_core"}),
    ],
)
def test_what_an_import_loads(program: str, allowed: set[str]) -> None:
    # LangChain's own imports may bring NumPy along
    assert loaded_after(program) - (allowed and {"numpy"}) <= allowed


@pytest.mark.parametrize("module", ["records", "conventions"])
def test_tables_need_no_sdk(module: str) -> None:
    code = f"import sys, clearml_otel.{module}\nprint('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def test_importing_takes_less_than_150_ms_and_starts_nothing() -> None:
    program = (
        "import time, threading\n"
        "began = time.perf_counter()\n"
        "import clearml_otel\n"
        "print(time.perf_counter() - began, threading.active_count())"
    )
    times: list[float] = []
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
        )
        took, threads = done.stdout.split()
        assert threads == "1"
        times.append(float(took))
    assert min(times) < 0.150


def test_without_langchain_it_is_said_what_is_missing() -> None:
    program = (
        "import sys\n"
        "sys.modules['langchain_core'] = None\n"
        "from clearml_otel import ClearMLSpanProcessor, configure\n"
        "from clearml_otel import ClearMLCallbackHandler"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    said = done.stderr.splitlines()[-1]
    assert said.endswith("needs LangChain: python -m pip install 'clearml-otel[langchain]'")


def test_the_public_names() -> None:
    for name in clearml_otel.__all__:
        assert getattr(clearml_otel, name) is not None
        assert name in dir(clearml_otel)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = clearml_otel.nonsense
