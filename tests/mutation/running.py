"""Runs the tests that reach a change, each change in a process of its own."""

from __future__ import annotations

import ast
import functools
import gc
import os
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import monotonic, sleep
from types import FunctionType
from typing import Any, NoReturn

import attrs
import coverage
import pytest

from . import PACKAGE, TESTS
from .mutants import Mutant, find_code, find_definition
from .report import Result

_PATIENCE_FOR_ALL = 900.0
_MOST_PATIENCE = 60.0

Functions = dict[tuple[str, int], list[FunctionType]]
"""By file and first line; a class with slots has two of each."""


@attrs.define
class Runner:
    """
    A pytest plugin that runs the tests once, and then what reaches each mutant.

    Attributes:
        mutants: In the order in which they are tried.
        tell: Is told what came of each.
        until: When to stop, by the monotonic clock.
        left_out: Tests that fail without a mutant; they notice nothing.
    """

    mutants: Iterable[Mutant]
    tell: Callable[[Mutant, Result], None]
    until: float
    left_out: set[str] = attrs.field(factory=set[str])
    _is_child: bool = False
    _caches: list[Any] = attrs.field(factory=list[Any])
    _seconds: defaultdict[str, float] = attrs.field(factory=lambda: defaultdict[str, float](float))
    _killers: defaultdict[tuple[str, str], Counter[str]] = attrs.field(
        factory=lambda: defaultdict[tuple[str, str], Counter[str]](Counter)
    )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how long it took; in a child, end with the first that fails."""
        if report.failed:
            if self._is_child:
                os._exit(1)
            self.left_out.add(report.nodeid)
        self._seconds[report.nodeid] += report.duration

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run all that is asked."""
        reached = _measure(session.items)
        items = {each.nodeid: each for each in session.items if each.nodeid not in self.left_out}
        functions = _find_functions()
        self._caches = _find_caches()
        gc.collect()
        gc.freeze()
        result, killer = self._fork(_change_nothing, [*items.values()], _PATIENCE_FOR_ALL)
        if result != "survived":
            pytest.exit(f"without any change, and the second time, {killer} fails", 3)
        for mutant in self.mutants:
            if monotonic() > self.until:
                break
            by_line = reached.get(_file_of(mutant), {})
            first, last = mutant.lines
            names = {name for line in range(first, last + 1) for name in by_line.get(line, ())}
            own = [items[name] for name in names if name in items]
            self.tell(mutant, self._try(mutant, functions, own) if own else "unreached")
        return True

    def _try(self, mutant: Mutant, functions: Functions, items: list[pytest.Item]) -> Result:
        kills = self._killers[mutant.module, mutant.function]
        # What noticed other changes of the function first, then what takes the least time.
        items.sort(key=lambda each: (-kills[each.nodeid], self._seconds[each.nodeid]))
        patience = 10 + 10 * sum(self._seconds[each.nodeid] for each in items)
        result, killer = self._fork(
            _prepare(mutant, functions), items, min(patience, _MOST_PATIENCE)
        )
        if killer is not None:
            kills[killer] += 1
        return result

    def _fork(
        self, change: Callable[[], None], items: Sequence[pytest.Item], patience: float
    ) -> tuple[Result, str | None]:
        """Return what came of *change*, and the test that was the last to begin if one failed."""
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            self._run_child(change, items, writable)
        os.close(writable)
        with os.fdopen(readable, "rb") as pipe:
            status = _wait(child, patience)
            begun = len(pipe.read())
        if status is None:
            return "timed out", None
        if status == 0:
            return "survived", None
        return "killed", items[begun - 1].nodeid if begun else None

    def _run_child(
        self, change: Callable[[], None], items: Sequence[pytest.Item], pipe: int
    ) -> NoReturn:
        status = 1
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            self._is_child = True
            change()
            for cache in self._caches:
                cache.cache_clear()
            _run(items, before=lambda _: os.write(pipe, b"."))
            status = 0
        finally:
            os._exit(status)


def run(runner: Runner) -> int:
    """Return pytest's status."""
    options = ["-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", "-p", "no:oauthgrants"]
    # Without what pyproject.toml adds: examples are there to be read.
    return pytest.main([*options, "-o", "addopts=--strict-markers", *TESTS], plugins=[runner])


def _run(items: Sequence[pytest.Item], before: Callable[[pytest.Item], object]) -> None:
    for item, following in zip(items, [*items[1:], None], strict=True):
        before(item)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def _measure(items: Sequence[pytest.Item]) -> dict[str, dict[int, list[str]]]:
    """Return, by file and line, the tests that reach it."""
    measured = coverage.Coverage(
        data_file=None, include=[f"{PACKAGE.resolve()}/*"], config_file=False
    )
    measured.start()
    _run(items, before=lambda each: measured.switch_context(each.nodeid))
    measured.stop()
    data = measured.get_data()
    return {each: data.contexts_by_lineno(each) for each in data.measured_files()}


def _wait(child: int, patience: float) -> int | None:
    """Return the status of *child*, None if it had to be stopped."""
    until = monotonic() + patience
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        if monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        sleep(0.002)


def _file_of(mutant: Mutant) -> str:
    return str((PACKAGE / mutant.module).resolve())


def _find_functions() -> Functions:
    found: defaultdict[tuple[str, int], list[FunctionType]] = defaultdict(list)
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            found[each.__code__.co_filename, each.__code__.co_firstlineno].append(each)
    return dict(found)


def _find_caches() -> list[Any]:
    kind = type(functools.lru_cache(_find_caches))
    return [
        each
        for each in gc.get_objects()
        if isinstance(each, kind) and each.__module__.startswith("oauthgrants")
    ]


def _change_nothing() -> None:
    pass


def _prepare(mutant: Mutant, functions: Functions) -> Callable[[], None]:
    """Return what gives the functions the mutant's code, and its defaults if they differ."""
    file, line = _file_of(mutant), mutant.first_line
    code = find_code(compile(mutant.source, file, "exec", dont_inherit=True), line)
    old = find_definition(Path(file).read_text("utf-8"), line).args
    new = find_definition(mutant.source, line).args

    def change() -> None:
        for function in functions[file, line]:
            function.__code__ = code
            if ast.dump(old) != ast.dump(new):
                _give_defaults(function, new)

    return change


def _give_defaults(function: FunctionType, arguments: ast.arguments) -> None:
    def evaluate(node: ast.expr) -> Any:
        return eval(ast.unparse(node), function.__globals__)

    function.__defaults__ = tuple(map(evaluate, arguments.defaults)) or None
    function.__kwdefaults__ = {
        name.arg: evaluate(node)
        for name, node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if node is not None
    }
