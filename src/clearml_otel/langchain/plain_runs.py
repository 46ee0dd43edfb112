"""What the spans of chains, tools and retrievers say, at their start and at their end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clearml_otel import attributes as names
from clearml_otel.langchain.content import Content
from clearml_otel.langchain.documents import documents_json
from clearml_otel.langchain.inputs import chain_input, chain_output
from clearml_otel.langchain.operations import operation_of_chain, retrieval_attributes
from clearml_otel.langchain.runs import OpenRun
from clearml_otel.langchain.tool_results import tool_artifact, tool_output
from clearml_otel.langchain.values import to_json, to_text

_NOTHING: Mapping[str, Any] = {}


class PlainRuns:
    """Describes runs that are no model calls, for one handler.

    Args:
        content: what of their content goes on the spans.
    """

    def __init__(self, content: Content) -> None:
        self._put = content.put

    def describe_chain(
        self,
        attributes: dict[str, Any],
        name: str,
        serialized: dict[str, Any] | None,
        kwargs: Mapping[str, Any],
        inputs: object,
    ) -> None:
        """Add what a chain's start says.

        Args:
            attributes: of its span.
            name: the run's.
            serialized: the callback's first argument.
            kwargs: the callback's keywords.
            inputs: what it is asked.
        """
        metadata = kwargs.get("metadata") or _NOTHING
        is_root = kwargs.get("parent_run_id") is None
        operation = operation_of_chain(name, serialized, metadata, kwargs.get("tags"), is_root)
        if operation:
            attributes.update(operation)
        self._put(attributes, names.CHAIN_INPUT, chain_input, inputs)

    def describe_chain_end(
        self, run: OpenRun, said: dict[str, Any], outputs: object, inputs: object
    ) -> None:
        """Add what a chain's end says.

        Args:
            run: the run.
            said: the attributes of the span's end.
            outputs: what it answered.
            inputs: what it was asked, where its start could not say: a chain that streams is told
                its input when it has read all of it. None otherwise.
        """
        if inputs is not None:
            self._put(said, names.CHAIN_INPUT, chain_input, inputs)
        if outputs is not None:
            self._put(said, names.CHAIN_OUTPUT, chain_output, outputs)

    def describe_tool(
        self,
        attributes: dict[str, Any],
        name: str,
        serialized: dict[str, Any] | None,
        kwargs: Mapping[str, Any],
        input_str: str,
    ) -> None:
        """Add what a tool's start says.

        Args:
            attributes: of its span.
            name: the run's.
            serialized: the callback's first argument, with the tool's description.
            kwargs: the callback's keywords: ``tool_call_id``, and the arguments by name as
                ``inputs``, where LangChain gives them.
            input_str: the callback's, which for structured tools is the repr of a dictionary.
        """
        attributes[names.OPERATION_NAME] = "execute_tool"
        attributes[names.TOOL_NAME] = name
        attributes[names.TOOL_TYPE] = "function"
        if serialized and (description := serialized.get("description")):
            attributes[names.TOOL_DESCRIPTION] = to_text(description)
        if call_id := kwargs.get("tool_call_id"):
            attributes[names.TOOL_CALL_ID] = to_text(call_id)
        inputs: object = kwargs.get("inputs")
        if inputs and isinstance(inputs, Mapping):
            self._put(attributes, names.TOOL_CALL_ARGUMENTS, to_json, kwargs["inputs"])
        else:
            self._put(attributes, names.TOOL_CALL_ARGUMENTS, to_text, input_str)
            # it may look like arguments by name, and is none
            self._put(attributes, names.TOOL_INPUT, to_text, input_str)

    def describe_tool_end(self, run: OpenRun, said: dict[str, Any], output: object) -> None:
        """Add what a tool's end says: its output and, where there is one, its artifact."""
        if output is None:
            return
        self._put(said, names.TOOL_CALL_RESULT, tool_output, output)
        if type(output) is not str:
            self._put(said, names.TOOL_ARTIFACT, tool_artifact, output)

    def describe_retriever(
        self,
        attributes: dict[str, Any],
        name: str,
        serialized: dict[str, Any] | None,
        kwargs: Mapping[str, Any],
        query: str,
    ) -> None:
        """Add what a retriever's start says; see :meth:`describe_tool`."""
        attributes.update(retrieval_attributes(kwargs.get("metadata") or _NOTHING))
        self._put(attributes, names.RETRIEVAL_QUERY, to_text, query)

    def describe_retriever_end(self, run: OpenRun, said: dict[str, Any], found: object) -> None:
        """Add the documents that a retriever found."""
        if found is not None:
            self._put(said, names.RETRIEVAL_DOCUMENTS, documents_json, found)
