"""Streams whose reads happen inside of their run.

Between two reads the reader's context is as it was: the run's span is current while the next
item is made, and no longer. So streams may be interleaved, finished in another thread, closed
from another task, or abandoned.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from wrapt import ObjectProxy

from clearml_otel.langchain.run_context import Frame, Scope

if TYPE_CHECKING:
    _Proxy: TypeAlias = ObjectProxy[AsyncGenerator[Any, Any]]
else:
    _Proxy = ObjectProxy


def reads(generator: Generator[Any, Any, Any], scope: Scope) -> Generator[Any, Any, Any]:
    """The generator with each read in a frame of its scope.

    A generator itself, so that dropping it closes the other one in a frame too.
    """
    advance: Callable[[], Any] = partial(next, generator)
    step = advance
    while True:
        try:
            if (run := scope.run) is None:
                item = _first_read(step, scope)
            else:
                token = scope.enter(run)
                try:
                    item = step()
                finally:
                    scope.leave(token)
        except StopIteration as stop:
            return stop.value
        except BaseException as error:
            scope.give_up(error)
            raise
        try:
            sent = yield item
        except GeneratorExit:
            _close(generator, scope)
            raise
        except BaseException as error:  # noqa: BLE001 - whatever is thrown is for the generator
            step = partial(generator.throw, error)
        else:
            step = advance if sent is None else partial(generator.send, sent)


def _first_read(step: Callable[[], Any], scope: Scope) -> Any:
    """A read in which the run is to begin."""
    frame = Frame(scope)
    try:
        return step()
    finally:
        frame.leave()


def _close(generator: Generator[Any, Any, Any], scope: Scope) -> None:
    # another instrumentation below may have made an iterator of it that cannot be closed
    if (close := getattr(generator, "close", None)) is not None:
        frame = Frame(scope)
        try:
            close()
        finally:
            frame.leave()


class AsyncReads(_Proxy):
    """An asynchronous generator with each read in a frame of its scope.

    No generator itself: event loops close every one that they have seen begin, in any order, and
    the other one cannot be closed twice at a time.

    Args:
        generator: the stream.
        scope: its run.
    """

    def __init__(self, generator: AsyncGenerator[Any, Any], scope: Scope) -> None:
        super().__init__(generator)
        self._self_scope = scope

    def __aiter__(self) -> AsyncReads:
        return self

    async def __anext__(self) -> Any:
        scope = self._self_scope
        try:
            if (run := scope.run) is None:
                # the first read, in which the run is to begin
                return await self._self_inside(self.__wrapped__.__anext__())
            token = scope.enter(run)
            try:
                return await self.__wrapped__.__anext__()
            finally:
                scope.leave(token)
        except BaseException as error:
            if type(error) is not StopAsyncIteration:
                scope.give_up(error)
            raise

    async def asend(self, value: Any) -> Any:
        """Send a value to the generator."""
        return await self._self_inside(self.__wrapped__.asend(value))

    async def athrow(self, *error: Any) -> Any:
        """Raise an error in the generator."""
        return await self._self_inside(self.__wrapped__.athrow(*error))

    async def aclose(self) -> None:
        """Close the generator."""
        await self._self_inside(self.__wrapped__.aclose())

    async def _self_inside(self, step: Awaitable[Any]) -> Any:
        frame = Frame(self._self_scope)
        try:
            return await step
        finally:
            frame.leave()
