"""What is put around LangChain's functions so that a run's code happens inside of its run.

Each wrapper takes the function and a lookup of open runs by id, and changes neither what the
function returns nor when.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, cast

from opentelemetry.context import attach
from wrapt import FunctionWrapper

from clearml_otel.langchain.run_context import Frame, Scope, claimed_frame, inside
from clearml_otel.langchain.runs import OpenRun
from clearml_otel.langchain.stream_reads import AsyncReads, reads

FindRun: TypeAlias = "Callable[[object], OpenRun | None]"
Function: TypeAlias = "Callable[..., Any]"
Wrapper: TypeAlias = "Callable[[Function, FindRun], Function]"


def child_context(function: Function, find: FindRun) -> Function:
    """For LangChain's ``_set_config_context``, called in the copied context of a run's code.

    The copy is used for nothing else and thrown away, so nothing is detached.
    """

    @wraps(function)
    def set_config_context(config: Any, *args: Any, **kwargs: Any) -> Any:
        result = function(config, *args, **kwargs)
        run = find(getattr(config.get("callbacks"), "parent_run_id", None))
        if run is not None:
            attach(inside(run))
        return result

    return set_config_context


def model_call(function: Function, find: FindRun) -> Function:
    """For a method that gets the manager of its run."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        run = find(_managed_run_id(args, kwargs))
        if run is None:
            return function(*args, **kwargs)
        frame = Frame(Scope(None, run))
        try:
            return function(*args, **kwargs)
        finally:
            frame.leave()

    return call


def async_model_call(function: Function, find: FindRun) -> Function:
    """Likewise, asynchronous."""

    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        run = find(_managed_run_id(args, kwargs))
        if run is None:
            return await function(*args, **kwargs)
        frame = Frame(Scope(None, run))
        try:
            return await function(*args, **kwargs)
        finally:
            frame.leave()

    return call


def model_events(function: Function, find: FindRun) -> Function:
    """For a method that streams the events of the run whose manager it gets."""

    @wraps(function)
    def stream(*args: Any, **kwargs: Any) -> Any:
        run = find(_managed_run_id(args, kwargs))
        generator = function(*args, **kwargs)
        return generator if run is None else reads(generator, Scope(None, run))

    return stream


def async_model_events(function: Function, find: FindRun) -> Function:
    """Likewise, asynchronous."""

    @wraps(function)
    def stream(*args: Any, **kwargs: Any) -> Any:
        run = find(_managed_run_id(args, kwargs))
        generator = function(*args, **kwargs)
        return generator if run is None else AsyncReads(generator, Scope(None, run))

    return stream


def call_of(kind: str) -> Wrapper:
    """For a method in which a run of the kind starts and ends."""

    def wrapper(function: Function, find: FindRun) -> Function:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            frame = Frame(Scope(kind))
            try:
                return function(*args, **kwargs)
            finally:
                frame.leave()

        return call

    return wrapper


def async_call_of(kind: str) -> Wrapper:
    """Likewise, asynchronous."""

    def wrapper(function: Function, find: FindRun) -> Function:
        @wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            frame = Frame(Scope(kind))
            try:
                return await function(*args, **kwargs)
            finally:
                frame.leave()

        return call

    return wrapper


def stream_of(kind: str) -> Wrapper:
    """For a generator method in which a run of the kind starts and ends.

    Still a generator function for those who inspect it, as LangChain does.
    """

    def wrapper(function: Function, find: FindRun) -> Function:
        def stream(wrapped: Function, instance: Any, args: Any, kwargs: Any) -> Any:
            return reads(wrapped(*args, **kwargs), Scope(kind))

        return cast("Function", FunctionWrapper(function, stream))

    return wrapper


def async_stream_of(kind: str) -> Wrapper:
    """Likewise, asynchronous."""

    def wrapper(function: Function, find: FindRun) -> Function:
        def stream(wrapped: Function, instance: Any, args: Any, kwargs: Any) -> Any:
            return AsyncReads(wrapped(*args, **kwargs), Scope(kind))

        return cast("Function", FunctionWrapper(function, stream))

    return wrapper


def start_of(kind: str) -> Wrapper:
    """For the method of a callback manager that starts a run of the kind.

    The frame that waits for the run is told, right after the handlers were.
    """

    def wrapper(function: Function, find: FindRun) -> Function:
        @wraps(function)
        def on_start(*args: Any, **kwargs: Any) -> Any:
            frame = claimed_frame(kind)
            started = function(*args, **kwargs)
            if frame is not None:
                frame.begin(find(_run_id(started)))
            return started

        return on_start

    return wrapper


def async_start_of(kind: str) -> Wrapper:
    """Likewise, asynchronous; unlike the handlers, this runs in the caller's task."""

    def wrapper(function: Function, find: FindRun) -> Function:
        @wraps(function)
        async def on_start(*args: Any, **kwargs: Any) -> Any:
            frame = claimed_frame(kind)
            started = await function(*args, **kwargs)
            if frame is not None:
                frame.begin(find(_run_id(started)))
            return started

        return on_start

    return wrapper


def _managed_run_id(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """The id of the run whose manager a model's method gets: ``(self, input, stop, manager)``."""
    for name in ("run_manager", "run_managers"):
        if name in kwargs:
            return _run_id(kwargs[name])
    return _run_id(args[3]) if len(args) > 3 else None


def _run_id(managers: Any) -> object:
    """The id of the one run, or of the first of several prompts, which share one call."""
    if isinstance(managers, list):
        managers = cast("list[Any]", managers)
        return getattr(managers[0], "run_id", None) if managers else None
    return getattr(managers, "run_id", None)
