"""What two instrumentations tell of one operation is counted once."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from clearml_otel.conventions import Run, doubles, read_runs
from clearml_otel.records import build_tables, group_sessions
from clearml_otel.spans import SpanRecord
from support.foreign_records import foreign, genai_chat, openinference_run
from support.run_records import NOON, SECOND, call, run_record

LANGFUSE = "langfuse-sdk"


def ours(kind: str, name: str, start: int, end: int, trace: int = 900) -> SpanRecord:
    record = run_record(kind, start, end, name=name, trace=trace)
    return replace(record, resource={"service.instance.id": "p1"})


def langfuse(kind: str, name: str, start: float, end: float, **keywords: object) -> SpanRecord:
    attributes = {"langfuse.observation.type": kind}
    return foreign(attributes, scope=LANGFUSE, name=name, start=start, end=end, **keywords)


def counted(*spans: SpanRecord) -> set[str]:
    found = {run.span.span_id for run in read_runs(spans)}
    shuffled = list(spans)
    random.Random(3).shuffle(shuffled)
    assert {run.span.span_id for run in read_runs(shuffled)} == found
    return found


def ids(*spans: SpanRecord) -> set[str]:
    return {span.span_id for span in spans}


# -- nested --------------------------------------------------------------------------------


def test_a_providers_call_below_a_frameworks() -> None:
    agent = openinference_run("AGENT", "guide", end=9)
    told = {"input.value": "q", "output.value": "a", "llm.model_name": "m"}
    framework = openinference_run("LLM", "ChatX", start=1, end=5, parent=agent, more=told)
    http = foreign({}, scope="http", start=2, end=4, parent=framework)
    client = genai_chat(start=2, end=4, parent=http)
    tool = openinference_run("TOOL", "t", start=6, end=8, parent=agent)
    assert counted(agent, framework, http, client, tool) == ids(agent, framework, tool)


def test_the_client_counts_where_the_framework_hides_content() -> None:
    framework = openinference_run("LLM", "ChatX", end=5)
    client = genai_chat(start=1, end=4, parent=framework)
    assert counted(framework, client) == ids(client)


def test_two_tries_of_one_call_count_once() -> None:
    told = {"input.value": "q", "output.value": "a", "llm.model_name": "m"}
    framework = openinference_run("LLM", "ChatX", end=9, more={**told, "llm.finish_reason": "x"})
    chain = openinference_run("CHAIN", "chain", start=10, end=11, more=told)
    tries = [genai_chat(start=at, end=at + 1, parent=framework) for at in (1, 3)]
    assert counted(framework, chain, *tries) == ids(framework, chain)


def test_a_tool_that_calls_another_tool_keeps_both() -> None:
    outer = openinference_run("TOOL", "search", end=9)
    other = foreign(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "fetch"},
        scope="pydantic-ai",
        start=1,
        end=5,
        parent=outer,
    )
    assert counted(outer, other) == ids(outer, other)


def test_parts_of_a_trace_in_different_scopes_complete_each_other() -> None:
    request = foreign({"http.route": "/"}, scope="fastapi", end=30)
    chain = openinference_run("CHAIN", "chain", start=1, end=9, parent=request)
    chained = openinference_run("LLM", "ChatX", start=2, end=8, parent=chain)
    agent = foreign(
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "guide"},
        scope="pydantic-ai",
        start=10,
        end=20,
        parent=request,
    )
    asked = genai_chat(scope="pydantic-ai", start=11, end=14, parent=agent)
    by_agents_sdk = foreign(
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "other"},
        scope="opentelemetry.instrumentation.genai.openai_agents",
        start=21,
        end=29,
        parent=request,
    )
    client = genai_chat(start=22, end=28, parent=by_agents_sdk)
    spans = (request, chain, chained, agent, asked, by_agents_sdk, client)
    assert counted(*spans) == ids(*spans[1:])


def test_one_scope_alone_never_loses_a_run() -> None:
    outer = genai_chat(end=9)
    inner = genai_chat(start=1, end=8, parent=outer)
    assert counted(outer, inner) == ids(outer, inner)


# -- side by side ---------------------------------------------------------------------------


def test_langchain_runs_in_traces_of_their_own() -> None:
    mine = ours("chain", "RunnableSequence", 1, 9), ours("tool", "t", 2, 3)
    theirs = (
        langfuse("chain", "RunnableSequence", 1.1, 9.1),
        langfuse("tool", "t", 2.1, 3.1),
        # not seen by ours: another tool, and the same tool at another time
        langfuse("tool", "u", 4.1, 5.1),
        langfuse("tool", "t", 6.1, 7.1),
    )
    assert counted(*mine, *theirs) == ids(*mine, *theirs[2:])


def test_each_run_has_one_double_a_scope() -> None:
    mine = ours("tool", "t", 1, 9)
    theirs = [langfuse("tool", "t", 1 + at / 10, 9) for at in range(3)]
    assert counted(mine, *theirs) == ids(mine, *theirs[1:])


def test_pairs_are_those_of_the_nearest_times() -> None:
    mine = [ours("tool", "t", 10, 30), ours("tool", "t", 11, 12)]
    theirs = [langfuse("tool", "t", 10.1, 30.1), langfuse("tool", "t", 11.1, 11.9)]
    assert counted(*mine, *theirs) == ids(*mine)


def test_other_processes_are_other_operations() -> None:
    mine = ours("tool", "t", 1, 9)
    theirs = langfuse("tool", "t", 1.1, 9, process="p2")
    assert counted(mine, theirs) == ids(mine, theirs)


@pytest.mark.parametrize(
    ("start", "end", "answer", "is_double"),
    [
        (2, 4, "echo q", True),
        (2, 4, "something else", False),  # another call at the same time
        (2, 6, "echo q", False),  # it outlasts ours: not the call within it
        (6, 7, "echo q", False),
    ],
)
def test_a_providers_call_in_a_trace_of_its_own(
    start: int, end: int, answer: str, is_double: bool
) -> None:
    mine = replace(call("q", 1, 5), resource={"service.instance.id": "p1"})
    client = genai_chat("q", answer, start=start, end=end)
    assert counted(mine, client) == ids(mine) | (set() if is_double else ids(client))


def sdk_call(start: float, end: float, **more: object) -> SpanRecord:
    """What Anthropic's client says of itself: no content, and no name of an instrumentation."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 5,
        **more,
    }
    return foreign(attributes, scope="com.anthropic.sdk.python", start=start, end=end)


@pytest.mark.parametrize(
    ("start", "end", "more", "is_double"),
    [
        (2, 4, {}, True),
        (0, 6, {}, True),  # the client's own call may be the longer one
        (2, 4, {"gen_ai.request.model": "another"}, False),
        (2, 4, {"gen_ai.usage.output_tokens": 6}, False),
        (2, 6, {}, False),
        (2, 6, {"gen_ai.response.id": "msg_1"}, True),
    ],
)
def test_a_clients_own_call_beside_its_instrumentations(
    start: float, end: float, more: dict[str, object], is_double: bool
) -> None:
    scope = "opentelemetry.instrumentation.anthropic"
    made = genai_chat(scope=scope, start=1, end=5)
    told = replace(made, attributes={**made.attributes, "gen_ai.response.id": "msg_1"})
    own = sdk_call(start, end, **more)
    assert counted(told, own) == ids(told) | (set() if is_double else ids(own))


@pytest.mark.parametrize("scope", ["langfuse-sdk", "pydantic-ai", "my-app"])
def test_calls_of_unrelated_scopes_at_the_same_time_stay(scope: str) -> None:
    """Two frameworks that ask different questions of one model."""
    one = genai_chat("q", "a", scope="other-app")
    other = (
        langfuse("generation", "chat m", 0.1, 0.9)
        if scope == LANGFUSE
        else genai_chat("r", "b", scope=scope, start=0.1, end=0.9)
    )
    assert counted(one, other) == ids(one, other)


# -- whole scopes ---------------------------------------------------------------------------


def test_of_scopes_that_see_every_langchain_run_one_is_counted() -> None:
    mine = ours("chain", "RunnableSequence", 1, 9)
    official = foreign(
        {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "called otherwise"},
        scope="opentelemetry.instrumentation.genai.langchain",
        start=1.1,
        end=9,
    )
    elsewhere = openinference_run("CHAIN", "RunnableSequence", start=1, end=9, process="p2")
    assert counted(mine, official, elsewhere) == ids(mine, elsewhere)


def test_without_ours_the_scope_that_tells_most() -> None:
    told = {"input.value": "q", "output.value": "a", "llm.model_name": "m"}
    rich = openinference_run("LLM", "ChatX", more=told)
    poor = foreign(
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"},
        scope="opentelemetry.instrumentation.langchain",
        name="ChatX.chat",
        start=0.1,
    )
    assert counted(rich, poor) == ids(rich)


def test_what_only_the_more_complete_scope_sees_stays() -> None:
    """OpenInference with hidden content, and OpenTelemetry's own, which sees no completions."""
    seen = {"llm.token_count.prompt": 3, "llm.token_count.completion": 5}
    both = openinference_run("LLM", "ChatX", start=1, end=2, more=seen)
    alone = openinference_run("LLM", "X", start=3, end=4)
    official = genai_chat(scope="opentelemetry.instrumentation.genai.langchain", start=1.1, end=1.9)
    assert counted(both, alone, official) == ids(official, alone)


def test_two_instrumentations_of_another_library() -> None:
    theirs = [
        openinference_run("TOOL", "t", scope="openinference.instrumentation.openai_agents"),
        openinference_run(
            "CHAIN", "turn", scope="openinference.instrumentation.openai_agents", start=2, end=3
        ),
    ]
    scope = "opentelemetry.instrumentation.genai.openai_agents"
    official = [
        foreign(
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"},
            scope=scope,
            start=0.1,
            end=0.9,
        ),
        foreign({"gen_ai.operation.name": "invoke_workflow"}, scope=scope, start=2, end=3),
    ]
    assert len(counted(*theirs, *official)) == 2


# -- what becomes of doubles ----------------------------------------------------------------


def test_runs_below_a_double_are_below_what_is_counted() -> None:
    mine = ours("tool", "t", 1, 9)
    theirs = langfuse("tool", "t", 1.1, 8.9)
    inner = genai_chat(start=2, end=3, parent=theirs, scope="pydantic-ai")
    runs = {run.span.span_id: run for run in read_runs([mine, theirs, inner])}
    assert set(runs) == ids(mine, inner)
    assert runs[inner.span_id].parent_run_id == runs[mine.span_id].run_id


def test_doubles_go_with_the_session_of_what_is_counted() -> None:
    mine = ours("tool", "t", 1, 9)
    mine = replace(mine, attributes={**mine.attributes, "session.id": "s"})
    theirs = langfuse("tool", "t", 1.1, 8.9)
    sessions = group_sessions([theirs, mine])
    assert [key.name for key in sessions] == ["s"]
    (spans,) = sessions.values()
    assert ids(*spans) == ids(mine, theirs)
    assert len(build_tables(spans).runs.rows) == 1


def test_a_session_that_only_the_double_names() -> None:
    mine = ours("tool", "t", 1, 9)
    theirs = foreign(
        {"langfuse.observation.type": "tool", "session.id": "s"},
        scope=LANGFUSE,
        name="t",
        start=1.1,
        end=8.9,
    )
    assert [key.name for key in group_sessions([mine, theirs])] == ["s"]


def test_a_trace_of_doubles_makes_no_session() -> None:
    mine = ours("chain", "RunnableSequence", 1, 9)
    mine = replace(mine, attributes={**mine.attributes, "session.id": "s"})
    unmatched = openinference_run("CHAIN", "called otherwise", start=2, end=3)
    sessions = group_sessions([mine, unmatched])
    assert [key.name for key in sessions] == ["s"]
    # but its spans are kept
    (spans,) = sessions.values()
    assert ids(*spans) == ids(mine, unmatched)
    # also where what was counted is not there any more
    (double,) = [span for span in spans if span.span_id == unmatched.span_id]
    assert list(group_sessions([double]).values()) == [[double]]


def test_of_two_doubles_that_name_sessions_one_is_believed() -> None:
    mine = ours("tool", "t", 1, 9)
    theirs = [
        foreign(
            {"langfuse.observation.type": "tool", "session.id": session},
            scope=scope,
            name="t",
            start=1.1,
            end=8.9,
        )
        for scope, session in (("langfuse-a", "b"), ("langfuse-b", "a"))
    ]
    assert [key.name for key in group_sessions([mine, *theirs])] == ["a"]
    assert [key.name for key in group_sessions([*theirs[::-1], mine])] == ["a"]


def test_marking_is_stable() -> None:
    spans = [ours("tool", "t", 1, 9), langfuse("tool", "t", 1.1, 8.9), genai_chat()]
    marked = [span for own in group_sessions(spans).values() for span in own]
    assert len(marked) == len(spans)
    assert build_tables(marked) == build_tables(spans)


def test_spans_that_stand_above_themselves() -> None:
    one = openinference_run("LLM", "a")
    two = genai_chat(parent=one)
    circle = replace(one, parent_span_id=two.span_id)
    assert counted(circle, two)


def in_turn(number: int) -> list[SpanRecord]:
    """A batch: its starts come first, each of both instrumentations in turn."""

    def at(record: SpanRecord, start: int) -> SpanRecord:
        return replace(record, start_time_ns=NOON + start, end_time_ns=NOON + SECOND + start)

    return [
        at(record, 2 * index + place)
        for index in range(number)
        for place, record in enumerate([ours("tool", "t", 1, 2), langfuse("tool", "t", 1, 2)])
    ]


def test_many_parallel_runs_are_matched_in_time() -> None:
    spans = in_turn(500)
    assert counted(*spans) == ids(*spans[::2])


def test_each_of_many_parallel_runs_is_compared_with_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work grows with the runs: a double is the nearest run, and the others are not asked."""
    compared: list[int] = []
    really = doubles._look_alike

    def count(run: Run, other: Run) -> bool:
        compared.append(1)
        return really(run, other)

    monkeypatch.setattr(doubles, "_look_alike", count)
    work: dict[int, int] = {}
    for number in (100, 1_000):
        compared.clear()
        read_runs(in_turn(number))
        work[number] = len(compared)
    assert work[100] <= 4 * 100
    assert work[1_000] <= 4 * 1_000
