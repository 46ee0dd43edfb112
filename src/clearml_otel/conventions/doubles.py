"""Two instrumentations that watched the same operation: it is counted once.

The rule, from the outside in:

1. **Nested spans.** A model call directly inside a model call, a retrieval inside a retrieval, a
   tool or chain inside one of the same name, are one operation when different scopes made the two
   spans: a framework's and its provider client's, or two instrumentations of one framework.
2. **Spans side by side.** Instrumentations of one library may make traces of their own. Two runs
   of one kind, of two such scopes in one process, whose times overlap and that have the same name
   (or, for model calls, the same outcome) are one operation. So are a LangChain model call and a
   call within its time by a scope that makes nothing but model calls, if the outcome is the same;
   and the calls of two such scopes, as of a client that tells of itself and its instrumentation, if
   one is within the other's time, or both name the same response. Each run has one double a scope
   at most.
3. **Whole scopes.** Scopes that are named after the same library (LangChain for ours,
   OpenInference, Traceloop, OpenTelemetry's own) see the same of one process, whatever they call
   it. What the scope with the most runs of a kind (ours before all) does not tell is then told
   otherwise, and not counted.

Of one operation, the spans of the best scope are counted: ours before all; then scopes that tell
content before those that hide it, frameworks before providers' clients, and the scope that tells
most. Everything else stays: an agent of one scope and the model calls of another complete each
other.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from heapq import heappop, heappush
from itertools import combinations
from typing import Final, TypeAlias

from clearml_otel import attributes as names
from clearml_otel.conventions.dispatch import CONVENTIONS, read_run, tells_runs
from clearml_otel.conventions.run import Run
from clearml_otel.spans import SpanRecord

SpanKey: TypeAlias = "tuple[str, str]"
Rank: TypeAlias = "tuple[bool, bool, bool, int, str]"

_LIBRARY: Final = re.compile(
    r"(?:openinference|opentelemetry)\.instrumentation\.(?:genai\.)?(\w+?)(?:_v2)?(?:\.v\d+)?"
)
_LANGCHAIN: Final = "langchain"
_SOME_LANGCHAIN_RUNS: Final = tuple(
    scope for item in CONVENTIONS if item.sees_langchain for scope in item.scopes
)
_NO_SPAN: Final = ""
_NEVER: Final = float("inf")
_NEIGHBOURS: Final = 40
"""Starts before and after a run's own among which its double is looked for."""


def with_doubles_marked(spans: Sequence[SpanRecord]) -> list[SpanRecord]:
    """The spans, those that tell what another span tells with that one's id.

    Args:
        spans: of any traces and processes, in any order.

    Returns:
        The same spans in the same order; marked ones have ``clearml.double_of``, which
        :func:`counted_for` reads.
    """
    known = [span for span in spans if tells_runs(span)]
    if len({span.scope_name for span in known}) < 2:
        return list(spans)
    runs = [run for span in known if (run := read_run(span)) is not None]
    doubles = _doubles(runs, spans)
    return [
        replace(span, attributes={**span.attributes, names.DOUBLE_OF: doubles[key_of(span)]})
        if key_of(span) in doubles
        else span
        for span in spans
    ]


def key_of(span: SpanRecord) -> SpanKey:
    """What identifies a span."""
    return span.trace_id, span.span_id


def counted_for(span: SpanRecord) -> SpanKey | None:
    """The span that is counted for a marked one; None where only its scope is known."""
    trace_id, _, span_id = str(span.attributes.get(names.DOUBLE_OF) or "").partition(":")
    return (trace_id, span_id) if span_id else None


def _doubles(runs: Sequence[Run], spans: Sequence[SpanRecord]) -> dict[SpanKey, str]:
    ranks = _ranks(runs)
    operations = _operations(runs, spans)
    found: dict[SpanKey, str] = {}
    for operation in operations:
        best = min(ranks[run.span.scope_name] for run in operation)
        counted = [run for run in operation if ranks[run.span.scope_name] == best]
        for run in operation:
            if ranks[run.span.scope_name] != best:
                found[key_of(run.span)] = ":".join(key_of(_nearest(run, counted).span))
    for run in _told_otherwise(operations, ranks):
        found.setdefault(key_of(run.span), _NO_SPAN)
    return found


def _nearest(run: Run, others: Iterable[Run]) -> Run:
    return min(
        others,
        key=lambda other: (
            abs(other.span.start_time_ns - run.span.start_time_ns),
            other.span.span_id,
        ),
    )


def _ranks(runs: Sequence[Run]) -> dict[str, Rank]:
    """How good each scope is; the least is the best."""
    clients = _clients(runs)
    content: set[str] = set()
    counts: dict[str, int] = defaultdict(int)
    for run in runs:
        scope, usage = run.span.scope_name, run.usage
        texts = [run.input, run.output, run.prompts, *(item.text for item in run.generations)]
        others = [run.name, run.model, run.description, usage.input_tokens, usage.output_tokens]
        others += [item.finish_reason for item in run.generations]
        counts[scope] += sum(1 for item in (*texts, *others) if item)
        if any(texts):
            content.add(scope)
    return {
        scope: (scope != names.SCOPE_NAME, scope not in content, scope in clients, -count, scope)
        for scope, count in counts.items()
    }


def _clients(runs: Sequence[Run]) -> set[str]:
    """The scopes that make nothing but model calls, such as those of providers' clients."""
    others = {run.span.scope_name for run in runs if run.kind != "llm"}
    return {run.span.scope_name for run in runs} - others


def _operations(runs: Sequence[Run], spans: Sequence[SpanRecord]) -> list[list[Run]]:
    """The runs of each operation."""
    leaders: dict[SpanKey, SpanKey] = {}

    def leader(key: SpanKey) -> SpanKey:
        while (above := leaders.get(key, key)) != key:
            key = above
        return key

    nested = list(_nested(runs, spans))
    matched = {
        (key_of(one.span), other.span.scope_name)
        for pair in nested
        for one, other in (pair, pair[::-1])
    }
    for one, other in (*nested, *_simultaneous(runs, matched)):
        first, second = sorted((leader(key_of(one.span)), leader(key_of(other.span))))
        if first != second:
            leaders[second] = first
    groups: dict[SpanKey, list[Run]] = defaultdict(list)
    for run in runs:
        groups[leader(key_of(run.span))].append(run)
    return list(groups.values())


def _nested(runs: Iterable[Run], spans: Iterable[SpanRecord]) -> Iterator[tuple[Run, Run]]:
    """Rule 1: each run with the nearest one above it that is the same operation."""
    by_key = {key_of(run.span): run for run in runs}
    parents = {key_of(span): span.parent_span_id for span in spans}
    for key, run in by_key.items():
        above = (by_key.get(ancestor) for ancestor in ancestors(key, parents))
        alike = (
            other
            for other in above
            if other is not None
            and other.kind == run.kind
            and (run.kind in {"llm", "retriever"} or other.name == run.name)
        )
        nearest = next(alike, None)
        if nearest is not None and nearest.span.scope_name != run.span.scope_name:
            yield run, nearest


def ancestors(key: SpanKey, parents: dict[SpanKey, str | None]) -> Iterator[SpanKey]:
    """The spans above one, the nearest first, as far as they are known."""
    trace_id, _ = key
    seen = {key}
    while (parent := parents.get(key)) is not None:
        key = trace_id, parent
        if key in seen:
            return  # damaged spans may stand above themselves
        seen.add(key)
        yield key


def _simultaneous(
    runs: Sequence[Run], matched: set[tuple[SpanKey, str]]
) -> Iterator[tuple[Run, Run]]:
    """Rule 2: runs in pairs, scope by scope, in the order of their starts."""
    clients = _clients(runs)
    alike: dict[tuple[str, str], dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in sorted(runs, key=lambda run: (run.span.start_time_ns, key_of(run.span))):
        scope = run.span.scope_name
        if _library(scope) or _sees_langchain(scope) or scope in clients:
            alike[_process(run.span), run.kind][scope].append(run)
    for by_scope in alike.values():
        for scope, other_scope in combinations(sorted(by_scope), 2):
            langchain = _sees_langchain(scope) or _sees_langchain(other_scope)
            both_clients = scope in clients and other_scope in clients
            if langchain or both_clients or _same_library(scope, other_scope):
                yield from _pairs(
                    [
                        run
                        for run in by_scope[scope]
                        if (key_of(run.span), other_scope) not in matched
                    ],
                    [
                        run
                        for run in by_scope[other_scope]
                        if (key_of(run.span), scope) not in matched
                    ],
                )


def _pairs(runs: Sequence[Run], others: Sequence[Run]) -> Iterator[tuple[Run, Run]]:
    """Runs that overlap and are alike, those of the nearest times first; each in one pair.

    Of each run only the nearest candidate that is still free waits in the queue, so that most
    runs are compared with one or two others however many there are.
    """
    starts = [other.span.start_time_ns for other in others]
    candidates = [_nearest_first(run, others, starts) for run in runs]
    taken: set[SpanKey] = set()
    queue: list[tuple[float, SpanKey, SpanKey, int, int]] = []

    def enqueue(index: int) -> None:
        for distance, key, place in candidates[index]:
            if key not in taken:
                heappush(queue, (distance, key_of(runs[index].span), key, index, place))
                return

    for index in range(len(runs)):
        enqueue(index)
    while queue:
        _, _, key, index, place = heappop(queue)
        if key in taken:
            enqueue(index)
        else:
            taken.add(key)
            yield runs[index], others[place]


def _nearest_first(
    run: Run, others: Sequence[Run], starts: Sequence[int]
) -> Iterator[tuple[float, SpanKey, int]]:
    """The runs that may be the same operation as a run, the nearest first.

    Args:
        run: of one scope.
        others: of another one, in the order of their starts.
        starts: of the others.

    Yields:
        Distance, key and place of each; of equally near ones the least key first. No more of the
        others are looked at than is needed to know the next.
    """
    start, end = run.span.start_time_ns, _end(run)
    near = bisect_left(starts, start)
    before, least = near - 1, max(0, near - _NEIGHBOURS)
    after, most = near, min(len(others), near + _NEIGHBOURS)
    found: list[tuple[float, SpanKey, int]] = []
    while found or before >= least or after < most:
        gap_before = start - starts[before] if before >= least else _NEVER
        gap_after = starts[after] - start if after < most else _NEVER
        # none of those that follow is nearer than its start is
        if found and found[0][0] < min(gap_before, gap_after):
            yield heappop(found)
            continue
        if gap_before < gap_after:
            place, before = before, before - 1
        else:
            place, after = after, after + 1
        other = others[place]
        overlap = starts[place] <= end and start <= _end(other)
        if overlap and _look_alike(run, other):
            heappush(found, (_distance(run, other), key_of(other.span), place))


def _distance(run: Run, other: Run) -> float:
    ends = _end(run) - _end(other) if run.span.end_time_ns and other.span.end_time_ns else 0
    return abs(run.span.start_time_ns - other.span.start_time_ns) + abs(ends)


def _look_alike(run: Run, other: Run) -> bool:
    scope, other_scope = run.span.scope_name, other.span.scope_name
    both_langchain = _sees_langchain(scope) and _sees_langchain(other_scope)
    if both_langchain or _same_library(scope, other_scope):
        return run.name == other.name or _same_outcome(run, other)
    if _sees_langchain(scope) or _sees_langchain(other_scope):
        outer, inner = (run, other) if _sees_langchain(scope) else (other, run)
        return _is_within(inner, outer) and _same_outcome(run, other)
    if _same_response(run, other):
        return True
    within = _is_within(run, other) or _is_within(other, run)
    return within and run.model == other.model and _same_outcome(run, other)


def _is_within(inner: Run, outer: Run) -> bool:
    return outer.span.start_time_ns <= inner.span.start_time_ns and _end(inner) <= _end(outer)


def _same_response(run: Run, other: Run) -> bool:
    told, other_told = (each.span.attributes.get(names.RESPONSE_ID) for each in (run, other))
    return isinstance(told, str) and told == other_told != ""


def _same_outcome(run: Run, other: Run) -> bool:
    """Whether two model calls had the same answer; where that is not told, the same usage."""
    if run.kind != "llm" or run.failed != other.failed:
        return False
    if run.failed:
        return run.error_message is not None and run.error_message == other.error_message
    answers, others = ([item.text for item in each.generations] for each in (run, other))
    if any(answers) and any(others):
        return answers == others
    counts, other_counts = (
        (each.usage.input_tokens or 0, each.usage.output_tokens or 0) for each in (run, other)
    )
    return any(counts) and counts == other_counts


def _end(run: Run) -> float:
    return _NEVER if run.span.end_time_ns is None else run.span.end_time_ns


@lru_cache(maxsize=256)
def _library(scope: str) -> str:
    """The library that a scope instruments, by its name; empty where it does not say."""
    if scope == names.SCOPE_NAME:
        return _LANGCHAIN
    named = _LIBRARY.fullmatch(scope)
    return named[1] if named else ""


def _same_library(scope: str, other: str) -> bool:
    return _library(scope) == _library(other) != ""


def _sees_langchain(scope: str) -> bool:
    return _library(scope) == _LANGCHAIN or scope.startswith(_SOME_LANGCHAIN_RUNS)


def _process(span: SpanRecord) -> str:
    resource = span.resource
    instance = resource.get("service.instance.id")
    return str(instance) if instance else repr(sorted(resource.items(), key=lambda item: item[0]))


def _told_otherwise(operations: Iterable[list[Run]], ranks: dict[str, Rank]) -> Iterator[Run]:
    """Rule 3: what only lesser scopes of a library tell."""
    whole = [[run for run in runs if _library(run.span.scope_name)] for runs in operations]
    numbers = Counter((_seen(run), run.span.scope_name) for runs in whole for run in runs)
    best: dict[tuple[str, str, str], str] = {}
    for seen, scope in sorted(
        numbers, key=lambda item: (item[1] != names.SCOPE_NAME, -numbers[item], ranks[item[1]])
    ):
        best.setdefault(seen, scope)
    for runs in whole:
        scopes = {run.span.scope_name for run in runs}
        yield from (run for run in runs if best[_seen(run)] not in scopes)


def _seen(run: Run) -> tuple[str, str, str]:
    """What instrumentations of one library see alike."""
    return _process(run.span), _library(run.span.scope_name), run.kind
