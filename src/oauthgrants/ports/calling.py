"""How a port is called: on the caller's stack, on an event loop, or off it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    # Takes as long to import as the rest of this package, and is for type checkers alone.
    from typing_extensions import TypeIs

T = TypeVar("T")

MaybeAwaitable: TypeAlias = T | Awaitable[T]
"""What a port's method returns, which is the answer or an awaitable of it."""


def is_awaitable(answer: MaybeAwaitable[T]) -> TypeIs[Awaitable[T]]:
    """Return whether *answer* has to be waited for."""
    return hasattr(answer, "__await__")


async def resolve(answer: MaybeAwaitable[T]) -> T:
    """Return what a port answered, waiting for it if need be."""
    return await answer if is_awaitable(answer) else answer


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    Drive *coroutine* to its end on the caller's stack: no loop, no thread.

    Raises:
        RuntimeError: A port suspended, so it has to be awaited.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    try:
        coroutine.close()
    finally:
        # Whatever the port does on its way out, such as to suspend once more.
        raise RuntimeError(
            "a port suspended, and there is no event loop to wait on; use "
            "AsyncAuthorizationServer or AsyncResourceServer, or a port that answers at once"
        )


Marked = TypeVar("Marked", bound=type)


def never_blocks(port: Marked) -> Marked:
    """
    Mark a port whose ``def`` methods answer at once, such as one that keeps all in memory.

    `AsyncAuthorizationServer` and `AsyncResourceServer` call them on the loop. The ``def``
    methods of other ports they call in a worker thread.
    """
    port.never_blocks = True  # type: ignore[attr-defined]  # a mark, not a member
    return port


P = TypeVar("P")


def off_loop(port: P, in_thread: Callable[..., Awaitable[Any]]) -> P:
    """
    Return *port* as it can be called on an event loop.

    Args:
        port: One that is marked with `never_blocks`, or written ``async def``, stays as it is.
        in_thread: Calls a function in a worker thread, such as ``asyncio.to_thread``.
    """
    if port is None or getattr(type(port), "never_blocks", False):
        return port
    return cast("P", _OffLoop(port, in_thread))


class _OffLoop:
    """Calls each ``def`` method of a port in a worker thread."""

    def __init__(self, port: object, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self._port = port
        self._in_thread = in_thread

    def __getattr__(self, name: str) -> Any:
        from inspect import iscoroutinefunction

        method = getattr(self._port, name)
        if not callable(method) or iscoroutinefunction(method):
            return method
        in_thread = self._in_thread

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await resolve(await in_thread(method, *args, **kwargs))

        # Decided once a method: the next look-up finds it without coming here.
        setattr(self, name, call)
        return call
