"""How the tests of a store reach it, whether it is written ``def`` or ``async def``."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from threading import Barrier
from typing import Generic, TypeVar
from unittest import SkipTest

from oauthgrants.ports import MaybeAwaitable, is_awaitable
from oauthgrants.testing.inherited_tests import InheritedTests

T = TypeVar("T")
S = TypeVar("S")

Opened = AbstractContextManager[S] | AbstractAsyncContextManager[S]
"""A store that is ready between entering and leaving."""

AT_ONCE = 50
"""How many calls come together in the tests of races."""


class StoreTests(InheritedTests, ABC, Generic[S]):
    """What every contract asks of the class that inherits it, and how it calls the store."""

    _runner: asyncio.Runner

    @abstractmethod
    def open_store(self) -> Opened[S]:
        """
        Return an empty store, within a context manager that closes it, sync or async.

        An async one is entered and left on the event loop on which the test calls the store.
        """
        ...

    def connect_again(self, store: S) -> Opened[S]:  # noqa: ARG002  # for those who replace it
        """
        Return a second way to what *store* keeps, such as another pool of connections.

        Raises:
            SkipTest: There is only one way. This is what it does unless it is replaced.
        """
        raise SkipTest("the store can be reached in one way only")

    def resolve(self, answer: MaybeAwaitable[T]) -> T:
        """Return what a method of the store answered, waiting for it if need be."""
        return self._runner.run(_wait(answer)) if is_awaitable(answer) else answer

    def race(self, calls: Sequence[Callable[[], MaybeAwaitable[T]]]) -> list[T]:
        """
        Return what came of *calls*, all made at once.

        Each begins in a thread of its own. What has to be waited for, because the method is
        written ``async def``, goes on as tasks of one event loop.
        """
        start = Barrier(len(calls))

        def begin(call: Callable[[], MaybeAwaitable[T]]) -> MaybeAwaitable[T]:
            start.wait()
            return call()

        with ThreadPoolExecutor(len(calls)) as pool:
            answers = list(pool.map(begin, calls))
        # A store without coroutines never meets an event loop: some refuse to work on one.
        begun = [answer for answer in answers if is_awaitable(answer)]
        if begun:
            return self._runner.run(_gather(begun))
        return [answer for answer in answers if not is_awaitable(answer)]

    @contextmanager
    def _open(self) -> Generator[S, None, None]:
        """Return a store that is empty, until the test ends."""
        self._runner = asyncio.Runner()  # makes its loop at the first use
        try:
            with self._enter(self.open_store()) as store:
                yield store
        finally:
            self._runner.close()

    @contextmanager
    def _open_two(self) -> Generator[tuple[S, S], None, None]:
        """Return two ways to one store that is empty."""
        with self._open() as store, self._enter(self.connect_again(store)) as again:
            yield store, again

    @contextmanager
    def _enter(self, opened: Opened[S]) -> Generator[S, None, None]:
        if isinstance(opened, AbstractContextManager):
            with opened as store:
                yield _require_store(store)
            return
        if not hasattr(opened, "__aenter__"):
            raise TypeError(
                "a store is opened by a context manager, sync or async, and this is a "
                f"{type(opened).__qualname__}: is @contextmanager missing above open_store?"
            )
        store = self._runner.run(_wait(opened.__aenter__()))
        try:
            yield _require_store(store)
        finally:
            self._runner.run(_wait(opened.__aexit__(None, None, None)))


def _require_store(store: S) -> S:
    if store is None:
        raise TypeError("what opens the store yields None: it has to yield the store")
    return store


async def _wait(answer: Awaitable[T]) -> T:
    return await answer


async def _gather(answers: Iterable[Awaitable[T]]) -> list[T]:
    return await asyncio.gather(*answers)


@contextmanager
def refused(*kinds: type[Exception], why: str) -> Generator[None, None, None]:
    """
    Check that what stands within is refused.

    Raises:
        AssertionError: It is not; *why* says what should have kept it out.
    """
    try:
        yield
    except kinds:
        return
    raise AssertionError(f"nothing was raised: {why}")
