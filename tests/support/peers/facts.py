"""What tables tell of a program, in a form in which two instrumentations' tables can be compared.

Times, ids and the order of parallel runs differ between two runs of a program, and so does the
JSON that stands for one value; these differences are taken out, and no other.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from clearml_otel.records import SessionTables, build_tables, group_sessions
from clearml_otel.spans import SpanRecord

Facts: TypeAlias = "dict[str, Counter[Any]]"

ASPECTS: Final[Mapping[str, str]] = {
    "model calls": "model calls (start and end records of each)",
    "prompts": "prompts",
    "answers": "answers, beside their own prompts",
    "tokens": "calls with their input and output tokens",
    "models": "calls with their model",
    "finish reasons": "finish reasons",
    "tools": "tool calls, by name",
    "tool arguments": "their arguments",
    "tool outputs": "their outputs",
    "retrievals": "retrievals, with query",
    "documents": "retrieved documents",
    "chains": "chains and agents, by name",
    "parents": "runs under the parent of that name",
    "errors": "failed runs, with the error's message",
    "error classes": "failed runs, with the error's class",
    "agent actions": "agent actions and finishes",
    "sessions": "sessions named by the program",
}
UNKNOWN_CLASS: Final = "_OTHER"
"""What the tables say of an error of which only the message is told."""
_MISSING: Final = (None, "")


def facts_of(spans: Sequence[SpanRecord]) -> Facts:
    """Every fact of a program's tables, by aspect."""
    tables = build_tables(spans)
    facts: Facts = {aspect: Counter() for aspect in ASPECTS}
    _model_calls(tables, facts)
    _tools(tables, facts)
    for record in tables.records:
        action = str(record["action"])
        if action == "on_retriever_start":
            facts["retrievals"][record.get("query")] += 1
        elif action == "on_retriever_end":
            facts["documents"].update(_documents(record.get("documents")))
        elif action == "on_chain_start":
            facts["chains"][record["name"]] += 1
        elif action in {"on_agent_action", "on_agent_finish"}:
            facts["agent actions"][action, record.get("log")] += 1
    names = {row["run_id"]: row["name"] for row in rows(tables.runs)}
    for row in rows(tables.runs):
        if row["parent_run_id"] is not None:
            facts["parents"][row["type"], names[row["parent_run_id"]]] += 1
        if row["error_type"]:
            facts["errors"][row["type"], row["error_message"]] += 1
            if row["error_type"] != UNKNOWN_CLASS:
                # some tell the module too
                facts["error classes"][row["type"], row["error_type"].rpartition(".")[2]] += 1
    facts["sessions"].update(key.name for key in group_sessions(spans) if key.name)
    return {aspect: known(counts) for aspect, counts in facts.items()}


def rows(table: Any) -> list[dict[str, Any]]:
    """A table's rows as dictionaries."""
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def known(counts: Counter[Any]) -> Counter[Any]:
    """Counts without what is not known."""
    return Counter({key: count for key, count in counts.items() if key not in _MISSING})


def _model_calls(tables: SessionTables, facts: Facts) -> None:
    for row in rows(tables.session):
        paired = row["prompt_step"] is not None and row["output_step"] is not None
        facts["model calls"]["paired" if paired else "alone"] += 1
        facts["prompts"][row["prompts"]] += 1
        if row["output"] not in _MISSING:
            facts["answers"][row["prompts"], row["output"]] += 1
    for row in rows(tables.runs):
        if row["type"] != "llm":
            continue
        if row["input_tokens"] is not None or row["output_tokens"] is not None:
            # some leave out a count of none
            facts["tokens"][row["input_tokens"] or 0, row["output_tokens"] or 0] += 1
        facts["models"][row["model"]] += 1
        facts["finish reasons"][row["finish_reason"]] += 1


def _tools(tables: SessionTables, facts: Facts) -> None:
    for record in tables.records:
        if record["action"] == "on_tool_start":
            facts["tools"][record["name"]] += 1
            facts["tool arguments"][_value(record.get("input_str"))] += 1
        elif record["action"] == "on_tool_end":
            facts["tool outputs"][_value(record.get("output"))] += 1


def _value(text: Any) -> str | None:
    """A value however it is written: JSON, Python or bare; an only argument without its name."""
    if text is None:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError):
            continue
        if isinstance(value, dict) and len(value) == 1:
            return str(*value.values())
        return json.dumps(value, sort_keys=True)
    return str(text).strip()


def _documents(text: Any) -> list[str]:
    """The contents of the documents that a cell tells of."""
    try:
        found = json.loads(text)
    except (ValueError, TypeError):
        return []
    # a dump of LangChain's has its fields one level below
    fields = [item.get("kwargs", item) for item in found if isinstance(item, dict)]
    contents = [item.get("page_content", item.get("content")) for item in fields]
    return [content for content in contents if content]
