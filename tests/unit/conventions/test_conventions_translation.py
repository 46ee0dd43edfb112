"""Spans of other conventions, made by hand after their documentation, as runs."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_otel.conventions import Generation, Run, Usage, foreign_session, read_run, read_runs
from clearml_otel.conventions.dispatch import CONVENTIONS, convention_of
from clearml_otel.records import build_tables, group_sessions
from clearml_otel.spans import SpanEvent
from support.examples import examples
from support.foreign_records import foreign, genai_chat, openinference_run
from support.run_records import NOON


def read(attributes: dict[str, Any], **keywords: Any) -> Run:
    run = read_run(foreign(attributes, **keywords))
    assert run is not None
    return run


# -- which convention ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "attributes", "name"),
    [
        ("openinference.instrumentation.crewai", {}, "openinference"),
        ("opentelemetry.instrumentation.genai.anthropic", {}, "genai"),
        ("opentelemetry.instrumentation.langchain", {}, "traceloop"),
        ("langfuse-sdk", {"gen_ai.request.model": "m"}, "langfuse"),
        ("mlflow.tracing.provider", {}, "mlflow"),
        ("langsmith", {"gen_ai.operation.name": "chat"}, "langsmith"),
        ("my-app", {"openinference.span.kind": "LLM", "gen_ai.system": "x"}, "openinference"),
        ("my-app", {"traceloop.span.kind": "task"}, "traceloop"),
        ("my-app", {"gen_ai.operation.name": "chat", "mlflow.spanType": '"LLM"'}, "genai"),
    ],
)
def test_the_scope_tells_then_the_attributes(
    scope: str, attributes: dict[str, Any], name: str
) -> None:
    convention = convention_of(foreign(attributes, scope=scope))
    assert convention is not None
    assert convention.name == name


@pytest.mark.parametrize(
    ("scope", "attributes"),
    [
        ("opentelemetry.instrumentation.requests", {"http.request.method": "GET"}),
        ("my-app", {}),
        ("my-app", {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "m"}),
        ("my-app", {"llm.request.type": "embedding", "gen_ai.request.model": "m"}),
        ("openinference.instrumentation.openai", {"openinference.span.kind": "EMBEDDING"}),
        ("opentelemetry.instrumentation.genai.openai", {"gen_ai.operation.name": "create_agent"}),
        # Langfuse and MLflow write on everybody's spans
        ("fastapi", {"langfuse.trace.name": "x", "session.id": "s"}),
        ("fastapi", {"mlflow.traceRequestId": '"tr-1"'}),
        ("fastapi", {"traceloop.association.properties.user": "x"}),
    ],
)
def test_other_spans_are_no_runs(scope: str, attributes: dict[str, Any]) -> None:
    assert read_run(foreign(attributes, scope=scope)) is None


# -- GenAI ------------------------------------------------------------------------------------


def test_a_genai_call() -> None:
    run = read(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "asked-for",
            "gen_ai.response.model": "given",
            "gen_ai.system_instructions": '[{"type": "text", "content": "Be brief."}]',
            "gen_ai.input.messages": genai_chat().attributes["gen_ai.input.messages"],
            "gen_ai.output.messages": (
                {"role": "assistant", "parts": ({"type": "text", "content": "a"},)},
            ),
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": 3,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.response.time_to_first_chunk": 0.25,
        },
        name="chat given",
    )
    assert run.prompts == "System: Be brief.\nHuman: q"
    assert run.generations == (Generation("a", "stop"),)
    assert run.usage == Usage(3, 5, 8)
    assert (run.model, run.name, run.kind) == ("given", "chat given", "llm")
    assert run.time_to_first_chunk_s == 0.25
    assert run.run_id == run.span.span_id


def test_the_older_flattened_form() -> None:
    run = read(
        {
            "llm.request.type": "chat",
            "traceloop.entity.name": "openai",
            "gen_ai.system": "OpenAI",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "q",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "a",
            "gen_ai.completion.0.finish_reason": "stop",
            "gen_ai.completion.1.role": "assistant",
            "gen_ai.completion.1.content": "b",
            "gen_ai.usage.prompt_tokens": 1,
            "gen_ai.usage.completion_tokens": 2,
            "llm.usage.total_tokens": 3,
        },
        scope="opentelemetry.instrumentation.openai.v1",
    )
    assert run.prompts == "Human: q"
    assert [item.text for item in run.generations] == ["a", "b"]
    assert run.generations[0].finish_reason == "stop"
    assert run.usage == Usage(1, 2, 3)


def test_flattened_content_that_is_blocks() -> None:
    """OpenLLMetry writes questions with images, and Bedrock's answers, as JSON of their blocks."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    run = read(
        {
            "llm.request.type": "chat",
            "gen_ai.system": "AWS",
            "gen_ai.request.model": "m",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": json.dumps([{"type": "text", "text": "q"}, image]),
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": '[{"text": "a"}]',
        }
    )
    assert run.prompts == "Human: q [image]"
    assert run.generations[0].text == "a"


@pytest.mark.parametrize("said", ['[{"type": "dog", "text": 3}]', "[]", '[{"city": "x"}]', "[1]"])
def test_flattened_content_that_is_other_json_stays_text(said: str) -> None:
    answer = {"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": said}
    run = read({"gen_ai.system": "x", "gen_ai.request.model": "m", **answer})
    assert run.generations[0].text == said


def test_the_items_of_one_answer_are_one_answer() -> None:
    """OpenInference and others tell each output item of OpenAI's Responses API as a message."""
    out = "llm.output_messages"
    call = "message.tool_calls.0.tool_call"
    attributes = {
        "openinference.span.kind": "LLM",
        f"{out}.0.message.contents.0.message_content.type": "reasoning",
        f"{out}.0.message.contents.0.message_content.text": "hmm",
        f"{out}.1.message.role": "assistant",
        f"{out}.1.message.content": "a",
        f"{out}.2.message.role": "assistant",
        f"{out}.2.{call}.function.name": "w",
        f"{out}.2.{call}.function.arguments": "{}",
        f"{out}.2.{call}.id": "c",
    }
    run = read(attributes)
    calls = '[{"name": "w", "arguments": {}, "id": "c"}]'
    assert run.generations == (Generation("a", tool_calls=calls, reasoning="hmm"),)
    reasons = ("stop", "tool_calls")
    item = {"role": "assistant", "parts": [{"type": "text", "content": "a"}]}
    asked_tool = {"role": "assistant", "parts": [{"type": "tool_call", "name": "w", "id": "c"}]}
    run = read(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.response.finish_reasons": reasons,
            "gen_ai.output.messages": json.dumps([item, asked_tool]),
        }
    )
    assert [(each.text, each.finish_reason) for each in run.generations] == [("a", "tool_calls")]


def test_openinference_names_the_model_of_a_failed_call_among_its_parameters() -> None:
    asked = '{"model": "m", "temperature": 1}'
    run = read({"openinference.span.kind": "LLM", "llm.invocation_parameters": asked}, error="no")
    assert run.model == "m"


def test_several_answers_stay_several() -> None:
    said = [{"role": "assistant", "content": text, "finish_reason": "stop"} for text in ("a", "b")]
    run = read({"gen_ai.operation.name": "chat", "gen_ai.output.messages": json.dumps(said)})
    assert [item.text for item in run.generations] == ["a", "b"]


def test_a_name_is_a_text_and_no_template() -> None:
    """Logfire names spans after templates, and tells the filled one beside them."""
    told = {"gen_ai.request.model": "m", "logfire.msg": "Chat Completion with 'm'"}
    run = read(told, scope="logfire.openai", name="Chat Completion with {request_data[model]!r}")
    assert run.name == "Chat Completion with 'm'"


def test_content_under_names_of_their_own() -> None:
    """Google's ADK and Vercel's AI SDK name models and tokens by the conventions, texts not."""
    asked = {"contents": [{"role": "user", "parts": [{"text": "q"}]}]}
    call = {"function_call": {"id": "c", "name": "w", "args": {"x": 1}}}
    answered = {"content": {"role": "model", "parts": [{"text": "a"}, call]}}
    run = read(
        {
            "gen_ai.system": "gcp.vertex.agent",
            "gen_ai.request.model": "m",
            "gcp.vertex.agent.llm_request": json.dumps(asked),
            "gcp.vertex.agent.llm_response": json.dumps(answered),
        }
    )
    calls = '[{"name": "w", "arguments": {"x": 1}, "id": "c"}]'
    assert (run.prompts, run.generations) == ("Human: q", (Generation("a", tool_calls=calls),))
    run = read(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "w",
            "gcp.vertex.agent.tool_call_args": '{"x": 1}',
            "gcp.vertex.agent.tool_response": '{"result": 42}',
        }
    )
    assert (run.input, run.output) == ('{"x": 1}', '{"result": 42}')
    run = read(
        {
            "gen_ai.system": "openai.chat",
            "gen_ai.request.model": "m",
            "ai.prompt.messages": '[{"role":"user","content":[{"type":"text","text":"q"}]}]',
            "ai.response.text": "a",
        }
    )
    assert (run.prompts, run.generations) == ("Human: q", (Generation("a"),))


def test_content_in_span_events() -> None:
    events = (
        SpanEvent("gen_ai.system.message", NOON, {"content": "Be brief."}),
        SpanEvent("gen_ai.user.message", NOON, {"content": '[{"text": "q"}]'}),
        SpanEvent(
            "gen_ai.choice", NOON, {"message": '{"content": "a"}', "finish_reason": "end_turn"}
        ),
    )
    run = read({"gen_ai.operation.name": "chat"}, events=events)
    assert run.prompts == "System: Be brief.\nHuman: q"
    assert run.generations == (Generation("a", "end_turn"),)


@pytest.mark.parametrize("as_json", [True, False])
def test_events_whose_body_is_an_attribute(as_json: bool) -> None:
    """Azure AI Inference and Semantic Kernel write the whole event as JSON, some others text."""
    bodies: list[tuple[str, Any]] = [
        ("gen_ai.user.message", {"role": "user", "content": "q"} if as_json else "q"),
        (
            "gen_ai.choice",
            {"index": 0, "finish_reason": "stop", "message": {"content": "a"}} if as_json else "a",
        ),
    ]
    told = [(name, json.dumps(body) if as_json else body) for name, body in bodies]
    events = [SpanEvent(name, NOON, {"gen_ai.event.content": body}) for name, body in told]
    run = read({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}, events=tuple(events))
    assert run.prompts == "Human: q"
    assert run.generations == (Generation("a", "stop" if as_json else None),)


def test_events_in_an_attribute() -> None:
    """Spans of PydanticAI before 1.0, and of Logfire, hold their events as one JSON."""
    call = {"id": "c", "type": "function", "function": {"name": "w", "arguments": '{"x": 1}'}}
    events = [
        {"event.name": "gen_ai.user.message", "content": "q", "role": "user"},
        {"event.name": "gen_ai.choice", "index": 0, "message": {"tool_calls": [call]}},
        None,
        {"event.name": 5},
    ]
    run = read(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "events": json.dumps(events),
        },
        scope="pydantic-ai",
    )
    calls = '[{"name": "w", "arguments": {"x": 1}, "id": "c"}]'
    assert (run.prompts, run.generations) == ("Human: q", (Generation("", tool_calls=calls),))


def test_events_whose_content_is_blocks() -> None:
    """Strands writes Bedrock's content blocks, and text where an agent answers."""
    blocks = [{"text": "a"}, {"toolUse": {"toolUseId": "c", "name": "w", "input": {"x": 1}}}]
    result = {"toolResult": {"toolUseId": "c", "status": "success", "content": [{"text": "42"}]}}
    asked = [
        SpanEvent("gen_ai.user.message", NOON, {"content": json.dumps([{"text": "q"}])}),
        SpanEvent("gen_ai.assistant.message", NOON, {"content": json.dumps(blocks)}),
        SpanEvent("gen_ai.tool.message", NOON, {"content": json.dumps([result])}),
    ]
    choice = {"message": json.dumps(blocks), "finish_reason": "tool_use"}
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    run = read(attributes, events=(*asked, SpanEvent("gen_ai.choice", NOON, choice)))
    assert run.prompts == 'Human: q\nAI: a [tool call w({"x": 1})]\nTool: 42'
    calls = '[{"name": "w", "arguments": {"x": 1}, "id": "c"}]'
    assert run.generations == (Generation("a", "tool_use", tool_calls=calls),)
    choice = {"message": "It is so.", "finish_reason": "end_turn"}
    run = read(attributes, events=(SpanEvent("gen_ai.choice", NOON, choice),))
    assert run.generations == (Generation("It is so.", "end_turn"),)


def test_a_tools_events_are_its_input_and_output() -> None:
    events = (
        SpanEvent("gen_ai.tool.message", NOON, {"role": "tool", "content": '{"x": 1}', "id": "c"}),
        SpanEvent("gen_ai.choice", NOON, {"message": '[{"text": "42"}]', "id": "c"}),
    )
    run = read({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "w"}, events=events)
    assert (run.name, run.input, run.output) == ("w", '{"x": 1}', "42")


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ({"gen_ai.operation.name": "chat.completions"}, "llm"),  # Semantic Kernel
        ({"gen_ai.operation.name": "text_completions"}, "llm"),
        ({"llm.request.type": "acompletion"}, "llm"),  # LiteLLM
    ],
)
def test_other_names_of_a_model_call(operation: dict[str, Any], kind: str) -> None:
    run = read({**operation, "gen_ai.request.model": "m", "gen_ai.system": "openai"})
    assert (run.kind, run.model) == (kind, "m")


@pytest.mark.parametrize(
    "reasons",
    [
        {"gen_ai.response.finish_reasons": '["stop"]'},  # Logfire
        {"gen_ai.response.finish_reasons": "stop"},
        {"gen_ai.response.finish_reason": "stop"},  # Semantic Kernel
    ],
)
def test_finish_reasons_of_any_form(reasons: dict[str, Any]) -> None:
    run = read({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **reasons})
    assert run.generations == (Generation(None, "stop"),)


def test_an_event_with_the_whole_content() -> None:
    whole = genai_chat().attributes
    content = {key: value for key, value in whole.items() if key.endswith("messages")}
    name = "gen_ai.client.inference.operation.details"
    run = read({"gen_ai.operation.name": "chat"}, events=(SpanEvent(name, NOON, content),))
    assert (run.prompts, run.generations[0].text) == ("Human: q", "a")


def test_a_call_that_tells_nothing_has_a_row_all_the_same() -> None:
    run = read({"gen_ai.request.model": "m"})
    assert (run.prompts, run.generations, run.usage) == (None, (Generation(),), Usage())
    assert len(build_tables([run.span]).session.rows) == 1


# -- what else a span tells -------------------------------------------------------------------


def test_dropped_attributes_mark_the_row() -> None:
    tables = build_tables([genai_chat(dropped=48)])
    (row,) = tables.runs.rows
    assert dict(zip(tables.runs.columns, row, strict=True))["lost"] == "48 attributes"


@pytest.mark.parametrize(
    ("attributes", "events", "status", "wanted"),
    [
        ({"error.type": "TimeoutError"}, (), "too late", ("TimeoutError", "too late")),
        (
            {},
            (
                SpanEvent(
                    "exception",
                    NOON,
                    {"exception.type": "a.b.MyError", "exception.message": "boom"},
                ),
            ),
            "a status with the traceback",
            ("a.b.MyError", "boom"),
        ),
        (
            {},
            (
                SpanEvent(
                    "exception",
                    NOON,
                    {
                        "exception.type": "Exception",
                        "exception.message": "KeyError('k')Traceback (most recent call last):\n…",
                    },
                ),
            ),
            "",
            ("KeyError", "k"),
        ),
        ({}, (), "", ("_OTHER", None)),
        ({"error.type": "429"}, (), "", ("429", None)),
    ],
)
def test_errors(
    attributes: dict[str, Any],
    events: tuple[SpanEvent, ...],
    status: str,
    wanted: tuple[str, str | None],
) -> None:
    run = read({"openinference.span.kind": "TOOL", **attributes}, error=status, events=events)
    assert (run.error_type, run.error_message) == wanted


def test_an_error_of_blanks_takes_no_square_of_its_length() -> None:
    begun = time.thread_time()
    run = read({"gen_ai.operation.name": "chat"}, error=" \n" * 50_000 + "x")
    assert run.failed
    assert time.thread_time() - begun < 5


def test_langfuse_tells_an_error_without_a_status() -> None:
    run = read(
        {
            "langfuse.observation.type": "tool",
            "langfuse.observation.level": "ERROR",
            "langfuse.observation.status_message": "boom",
        }
    )
    assert (run.error_type, run.error_message) == ("_OTHER", "boom")


@pytest.mark.parametrize(("kind", "failed"), [("langsmith", True), ("openinference", False)])
def test_langsmith_tells_an_error_under_an_ok(kind: str, failed: bool) -> None:
    # an OK that was set with a run's first batch is not taken back; others tell handled ones too
    said = {"exception.type": "Exception", "exception.message": "TypeError('no')Traceback (most"}
    record = replace(
        foreign({f"{kind}.span.kind": "chain"}, events=(SpanEvent("exception", NOON, said),)),
        status="ok",
    )
    run = read_run(record)
    assert run is not None
    assert run.failed == failed


def test_a_graphs_interrupt_is_no_error() -> None:
    exception = {"exception.type": "langgraph.errors.GraphInterrupt", "exception.message": "?"}
    events = (SpanEvent("exception", NOON, exception),)
    run = read({"traceloop.span.kind": "task"}, error="GraphInterrupt", events=events)
    assert (run.failed, run.interrupted) == (False, True)


def test_tags_and_metadata() -> None:
    run = read(
        {
            "openinference.span.kind": "CHAIN",
            "tag.tags": ("a", "b"),
            "metadata": '{"user": "ann"}',
        }
    )
    assert run.tags == ("a", "b")
    assert json.loads(str(run.metadata)) == {"user": "ann"}
    run = read({"langsmith.span.kind": "chain", "langsmith.span.tags": "a, b"})
    assert run.tags == ("a", "b")


def test_mlflows_points() -> None:
    events = (
        SpanEvent("agent_action", NOON, {"tool": "t", "tool_input": '"x"', "log": "I must"}),
        SpanEvent("agent_finish", NOON + 1, {"return_values": '{"output": "o"}', "log": "done"}),
        SpanEvent("new_token", NOON, {"token": "a"}),
    )
    run = read({"mlflow.spanType": '"CHAIN"'}, events=events, scope="mlflow.tracing.provider")
    assert [(point.kind, dict(point.fields)) for point in run.points] == [
        ("agent_action", {"tool": "t", "tool_input": "x", "log": "I must"}),
        ("agent_finish", {"output": "o", "log": "done"}),
    ]


@pytest.mark.parametrize(
    ("attributes", "session"),
    [
        ({"openinference.span.kind": "LLM", "session.id": "s"}, "s"),
        ({"gen_ai.operation.name": "chat", "gen_ai.conversation.id": "s"}, "s"),
        ({"traceloop.span.kind": "task", "traceloop.association.properties.thread_id": 7}, "7"),
        (
            {
                "langfuse.observation.type": "span",
                "langfuse.observation.metadata.langfuse_session_id": '"s"',
            },
            "s",
        ),
        ({"mlflow.spanType": '"LLM"', "metadata": '{"session_id": "s"}'}, "s"),
        ({"langsmith.span.kind": "llm", "langsmith.metadata.session_id": "s"}, "s"),
        ({"langsmith.span.kind": "llm"}, None),
        ({"http.route": "/"}, None),
    ],
)
def test_sessions(attributes: dict[str, Any], session: str | None) -> None:
    span = foreign(attributes)
    assert foreign_session(span) == session
    named = [key.name for key in group_sessions([span])]
    # any span may say session.id, but only a convention's span says so by other names
    assert named == [session]


def test_a_session_by_two_names_is_one() -> None:
    one = genai_chat(trace=901)
    two = genai_chat(trace=902, start=2, end=3)
    first = replace(one, attributes={**one.attributes, "session.id": "s"})
    second = replace(two, attributes={**two.attributes, "gen_ai.conversation.id": "s"})
    assert len(group_sessions([first, second])) == 1


# -- trees ------------------------------------------------------------------------------------


def test_the_parent_is_the_nearest_run_above() -> None:
    chain = openinference_run("CHAIN", "chain", end=9)
    http = foreign({}, scope="http", start=1, end=8, parent=chain)
    call = openinference_run("LLM", "ChatX", start=2, end=7, parent=http)
    orphan = replace(call, span_id="f" * 16, parent_span_id="e" * 16)
    for spans in ([chain, http, call, orphan], [orphan, call, http, chain]):
        parents = {run.run_id: run.parent_run_id for run in read_runs(spans)}
        assert parents == {
            chain.span_id: None,
            call.span_id: chain.span_id,
            orphan.span_id: None,
        }


# -- whatever comes -----------------------------------------------------------------------------

_KEYS = sorted(
    {
        key if isinstance(key, str) else key[0]
        for convention in CONVENTIONS
        for keys in (
            convention.kind,
            convention.asked,
            convention.answered,
            convention.asked_before,
            convention.finish_reasons,
            convention.tags,
            convention.metadata,
            convention.sessions,
            *convention.inputs.values(),
            *convention.outputs.values(),
            *convention.tokens.values(),
            *convention.fields.values(),
            *convention.names.values(),
        )
        for key in keys
    }
    | {f"{name}.0.message.role" for name in ("llm.input_messages", "gen_ai.completion")}
    | {"llm.input_messages.0", "retrieval.documents.0.document.content", "error.type"}
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_WORDS = st.sampled_from(
    [
        *("role", "content", "parts", "type", "text", "message", "kwargs", "data", "generations"),
        *("messages", "prompts", "choices", "tool_calls", "function", "user", "tool", "human"),
    ]
)
_STRUCTURES = st.recursive(
    _LEAVES | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)
_VALUES = (
    _STRUCTURES.map(lambda value: json.dumps(value, default=str))
    | _STRUCTURES
    | st.binary(max_size=4)
    | st.sampled_from(["llm", "LLM", '"LLM"', "chat", "tool", "generation", "__REDACTED__"])
)
_SCOPES = st.sampled_from([scope for item in CONVENTIONS for scope in item.scopes] + ["app"])


_EVENTS = st.builds(
    SpanEvent,
    st.sampled_from(
        [
            "exception",
            "agent_action",
            "gen_ai.user.message",
            "gen_ai.choice",
            "gen_ai.content.prompt",
        ]
    ),
    st.just(NOON),
    st.dictionaries(
        _WORDS | st.sampled_from(["exception.type", "tool_input"]), _VALUES, max_size=3
    ),
)


@given(
    st.lists(
        st.tuples(
            _SCOPES,
            st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=8),
            st.lists(_EVENTS, max_size=2).map(tuple),
            st.sampled_from([None, "", "Error('x')Traceback (most recent call last):"]),
        ),
        max_size=4,
    )
)
@examples(400)
def test_no_attribute_is_an_error(
    made: list[tuple[str, dict[str, Any], tuple[SpanEvent, ...], str | None]],
) -> None:
    spans = [
        foreign(attributes, scope=scope, trace=1, events=events, error=error)
        for scope, attributes, events, error in made
    ]
    assert build_tables(spans) == build_tables(spans[::-1])
    assert sum(map(len, group_sessions(spans).values())) <= len(spans)
