"""The OpenTelemetry context inside of a run, where its span is the current one.

Spans that a run's own code makes (HTTP, databases, the application's) become its children by
this. The rule: a context is attached either in a copied ``contextvars.Context`` that is thrown
away afterwards, or in a frame that detaches it itself, in the same thread and ``Context``.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final, Protocol

from opentelemetry.context import Context, attach, create_key, detach, get_current
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

from clearml_otel.langchain import inference_context
from clearml_otel.langchain.runs import OpenRun

_UNUSED: Final = "clearml-unused"


def _found_variable() -> ContextVar[Context]:
    token = attach(get_current())
    detach(token)
    # another runtime context, which OTEL_PYTHON_CONTEXT may name, has tokens of its own
    known: object = token
    return token.var if type(known) is Token else ContextVar(_UNUSED)


CURRENT: Final = _found_variable()
"""Where OpenTelemetry keeps the current context; a fifth of what ``attach`` and ``detach`` cost."""
KEPT_IN_VARIABLE: Final = CURRENT.name != _UNUSED
"""Whether it keeps it there, so that what is attached in a copied ``Context`` stays in it."""
current_context: Final = CURRENT.get if KEPT_IN_VARIABLE else get_current
"""The current context."""
_RUN_KEY: Final = create_key("clearml-langchain-run")
# one dictionary is built a run instead of one an entry
(_SPAN_KEY,) = set_span_in_context(INVALID_SPAN, Context())
_MODELS: Final = frozenset({"llm", "chat_model"})
_BESIDE_US: Final = frozenset(
    {
        "langfuse-sdk",
        "langsmith",
        "openinference.instrumentation.langchain",
        "opentelemetry.instrumentation.genai.langchain",
        "opentelemetry.instrumentation.langchain",
    }
)
"""Scopes of others that trace the same runs: theirs are no spans inside of ours."""
_NOT_HERE: Final = (ValueError, LookupError, RuntimeError)
"""What ``ContextVar.reset`` raises in another ``Context``, or where somebody else was first."""


def inside(run: OpenRun) -> Context:
    """The current context with the run's span as its current span."""
    entries = {**CURRENT.get(), _SPAN_KEY: run.span, _RUN_KEY: run}
    if run.run_type in _MODELS and (inference := inference_context.entry()) is not None:
        entries.setdefault(*inference)
    return Context(entries)


def below(run: OpenRun, current: Context) -> Context:
    """Where a child of the run starts.

    Below the application's own span where its code has opened one inside of the run and calls
    LangChain in it; else below the run's span.

    Args:
        run: the run above.
        current: the current context.
    """
    span = current.get(_SPAN_KEY)
    if span is run.span:
        return current
    if current.get(_RUN_KEY) is run and isinstance(span, Span) and _is_inside(span, run.span):
        return current
    return Context({**current, _SPAN_KEY: run.span})


def _is_inside(span: Span, run_span: Span) -> bool:
    """Whether it is a span of the application's in the run, neither ended nor of another trace."""
    scope = getattr(span, "instrumentation_scope", None)
    return (
        span.is_recording()
        and span.get_span_context().trace_id == run_span.get_span_context().trace_id
        and getattr(scope, "name", None) not in _BESIDE_US
    )


def leave(token: Token[Context]) -> None:
    """Put back what was current before; in another ``Context`` than it was set in, nothing."""
    try:  # noqa: SIM105 - contextlib.suppress costs as much as all the rest of it
        CURRENT.reset(token)
    except _NOT_HERE:
        pass


class Runs(Protocol):
    """The open runs of the process."""

    def open_run(self, run_id: object) -> OpenRun | None:
        """The open run of that id, if it has a span."""
        ...

    def give_up(self, run_id: object, error: BaseException) -> None:
        """End a run that LangChain has left open."""
        ...


class Scope:
    """The runs of a call or a stream; a stream has many frames in it, one a read.

    Args:
        runs: where the runs are.
        kind: which run type's start to wait for.
        run: the run, where it is known before.
        attached: whether its span is to be current; else the scope only sees to its end.
    """

    __slots__ = (
        "_attached",
        "_entered",
        "_inside",
        "_outside",
        "_runs",
        "claimed",
        "ids",
        "kind",
        "left",
        "run",
    )

    def __init__(
        self, runs: Runs, kind: str | None, run: OpenRun | None = None, *, attached: bool = True
    ) -> None:
        self._runs = runs
        self._attached = attached
        self.kind = kind
        self.run = run
        self.claimed = run is not None
        self.ids: list[object] = []
        self.left: Context | None = None
        self._outside: Context | None = None
        self._inside: Context | None = None
        self._entered: Context | None = None

    def enter(self, run: OpenRun) -> Token[Context]:
        """Go inside of the scope's run, as a frame does; for reads, of which there are many.

        Args:
            run: the scope's run.
        """
        context = self.left
        if context is None:
            outside = CURRENT.get()
            if outside is not self._outside or self._inside is None:
                self._outside, self._inside = outside, inside(run)
            context = self._inside
        self._entered = context
        return CURRENT.set(context)

    def leave(self, token: Token[Context]) -> None:
        """Put back what was before :meth:`enter`, unless the read ends in another ``Context``."""
        current = CURRENT.get()
        try:
            CURRENT.reset(token)
        except _NOT_HERE:
            return
        if current is not self._entered:
            # a generator goes on in the context in which it has yielded
            self.left = current

    def begin(self, ids: list[object]) -> None:
        """Runs have started; the first one's span is the one to be current."""
        self.ids = ids
        if ids and self._attached:
            self.run = self._runs.open_run(ids[0])

    def give_up(self, error: BaseException) -> None:
        """No more will come of the runs; LangChain does not say so of each that is cancelled."""
        for run_id in self.ids:
            self._runs.give_up(run_id, error)


class Frame:
    """One call, or one read of a stream, from the moment it is made until it is left."""

    __slots__ = ("_attached", "_context", "_marker", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._attached: Token[Context] | None = None
        self._context: Context | None = None
        self._marker = INNERMOST.set(self)
        if scope.run is not None:
            # a generator goes on in the context in which it has yielded
            self._attach(scope.left or inside(scope.run))

    def begin(self, ids: list[object]) -> None:
        """The runs have started, in this frame: what comes next happens inside of the first."""
        self.scope.begin(ids)
        if self.scope.run is not None:
            self._attach(inside(self.scope.run))

    def leave(self) -> None:
        """Put everything back, unless the frame did not come to its end by itself.

        A coroutine that is never finished is closed by the garbage collector in whatever
        ``Context`` that runs in. The one it was in is gone then.
        """
        try:
            INNERMOST.reset(self._marker)
        except _NOT_HERE:
            return
        if self._attached is not None:
            if (current := CURRENT.get()) is not self._context:
                self.scope.left = current
            leave(self._attached)

    def _attach(self, context: Context) -> None:
        self._context = context
        self._attached = CURRENT.set(context)


INNERMOST: Final[ContextVar[Frame | None]] = ContextVar("clearml_langchain_frame", default=None)
"""The frame around what runs now."""


def claimed_frame(kind: str) -> Frame | None:
    """The innermost frame, if it waits for a start of this kind; from now on it does not."""
    frame = INNERMOST.get()
    if frame is None or frame.scope.claimed or frame.scope.kind != kind:
        return None
    frame.scope.claimed = True
    return frame
