"""What is put around LangChain's functions so that a run's code happens inside of its run.

Each wrapper takes the function and the open runs, and changes neither what the
function returns nor when.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any, TypeAlias, cast

from wrapt import FunctionWrapper

from clearml_otel.langchain.run_context import (
    CURRENT,
    INNERMOST,
    Frame,
    Runs,
    Scope,
    claimed_frame,
    inside,
    leave,
)
from clearml_otel.langchain.stream_reads import AsyncReads, reads

Function: TypeAlias = "Callable[..., Any]"
Wrapper: TypeAlias = "Callable[[Function, Runs], Function]"


def child_context(function: Function, runs: Runs) -> Function:
    """For LangChain's ``_set_config_context``, called in the copied context of a run's code.

    The copy is used for nothing else and thrown away, so nothing is detached.
    """

    @wraps(function)
    def set_config_context(config: Any, *args: Any, **kwargs: Any) -> Any:
        result = function(config, *args, **kwargs)
        run = runs.open_run(getattr(config.get("callbacks"), "parent_run_id", None))
        if run is not None:
            CURRENT.set(inside(run))
        return result

    return set_config_context


def model_call(function: Function, runs: Runs) -> Function:
    """For a method that gets the manager of its run."""
    method = unbound(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        run = runs.open_run(_managed_run_id(args, kwargs))
        if run is None:
            return method(*args, **kwargs)
        token = CURRENT.set(inside(run))
        try:
            return method(*args, **kwargs)
        finally:
            leave(token)

    return call


def async_model_call(function: Function, runs: Runs) -> Function:
    """Likewise, asynchronous."""
    method = unbound(function)

    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        run = runs.open_run(_managed_run_id(args, kwargs))
        if run is None:
            return await method(*args, **kwargs)
        frame = Frame(Scope(runs, None, run))
        try:
            return await method(*args, **kwargs)
        finally:
            frame.leave()

    return call


def model_events(function: Function, runs: Runs) -> Function:
    """For a method that streams the events of the run whose manager it gets."""
    method = unbound(function)

    @wraps(function)
    def stream(*args: Any, **kwargs: Any) -> Any:
        run = runs.open_run(_managed_run_id(args, kwargs))
        generator = method(*args, **kwargs)
        return generator if run is None else reads(generator, Scope(runs, None, run))

    return stream


def async_model_events(function: Function, runs: Runs) -> Function:
    """Likewise, asynchronous."""
    method = unbound(function)

    @wraps(function)
    def stream(*args: Any, **kwargs: Any) -> Any:
        run = runs.open_run(_managed_run_id(args, kwargs))
        generator = method(*args, **kwargs)
        return generator if run is None else AsyncReads(generator, Scope(runs, None, run))

    return stream


def call_of(kind: str) -> Wrapper:
    """For a method in which a run of the kind starts and ends."""

    def wrapper(function: Function, runs: Runs) -> Function:
        method = unbound(function)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            frame = Frame(Scope(runs, kind))
            try:
                return method(*args, **kwargs)
            except BaseException as error:
                frame.scope.give_up(error)
                raise
            finally:
                frame.leave()

        return call

    return wrapper


def async_call_of(kind: str, *, attached: bool = True) -> Wrapper:
    """Likewise, asynchronous.

    Args:
        kind: the run type.
        attached: False where the run's own code has a seam of its own.
    """

    def wrapper(function: Function, runs: Runs) -> Function:
        method = unbound(function)

        @wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            frame = Frame(Scope(runs, kind, attached=attached))
            try:
                return await method(*args, **kwargs)
            except BaseException as error:
                frame.scope.give_up(error)
                raise
            finally:
                frame.leave()

        return call

    return wrapper


def stream_of(kind: str) -> Wrapper:
    """For a generator method in which a run of the kind starts and ends.

    Still a generator function for those who inspect it, as LangChain does.
    """

    def wrapper(function: Function, runs: Runs) -> Function:
        def stream(wrapped: Function, instance: Any, args: Any, kwargs: Any) -> Any:
            return reads(wrapped(*args, **kwargs), Scope(runs, kind))

        return cast("Function", FunctionWrapper(function, stream))

    return wrapper


def async_stream_of(kind: str) -> Wrapper:
    """Likewise, asynchronous."""

    def wrapper(function: Function, runs: Runs) -> Function:
        def stream(wrapped: Function, instance: Any, args: Any, kwargs: Any) -> Any:
            return AsyncReads(wrapped(*args, **kwargs), Scope(runs, kind))

        return cast("Function", FunctionWrapper(function, stream))

    return wrapper


def start_of(kind: str) -> Wrapper:
    """For the method of a callback manager that starts a run of the kind.

    The frame that waits for the run is told, right after the handlers were.
    """

    def wrapper(function: Function, runs: Runs) -> Function:
        method = unbound(function)

        @wraps(function)
        def on_start(*args: Any, **kwargs: Any) -> Any:
            if INNERMOST.get() is None:
                return method(*args, **kwargs)
            frame = claimed_frame(kind)
            started = method(*args, **kwargs)
            if frame is not None:
                frame.begin(_run_ids(started))
            return started

        return on_start

    return wrapper


def async_start_of(kind: str) -> Wrapper:
    """Likewise, asynchronous; unlike the handlers, this runs in the caller's task."""

    def wrapper(function: Function, runs: Runs) -> Function:
        method = unbound(function)

        @wraps(function)
        async def on_start(*args: Any, **kwargs: Any) -> Any:
            frame = claimed_frame(kind)
            started = await method(*args, **kwargs)
            if frame is not None:
                frame.begin(_run_ids(started))
            return started

        return on_start

    return wrapper


def unbound(function: Function) -> Function:
    """The method to be called with its instance; what others have wrapped has to be bound."""
    if type(function) is FunctionType:
        return function

    def method(instance: Any, *args: Any, **kwargs: Any) -> Any:
        return cast("Any", function).__get__(instance, type(instance))(*args, **kwargs)

    return method


def _managed_run_id(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """The id of the run whose manager a model's method gets, of several prompts the first's."""
    managers = kwargs.get("run_manager") or kwargs.get("run_managers")
    if managers is None and len(args) > 3:
        managers = args[3]  # after self, what is asked, and stop
    if isinstance(managers, list):
        managers = cast("list[Any]", managers)
        managers = managers[0] if managers else None
    return getattr(managers, "run_id", None)


def _run_ids(managers: Any) -> list[object]:
    """The ids of the runs that a callback manager has started."""
    managers = cast("list[Any]", managers if isinstance(managers, list) else [managers])
    return [getattr(manager, "run_id", None) for manager in managers]
