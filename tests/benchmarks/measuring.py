"""
Measures side by side.

On a machine that does other things too, what is measured now and what is measured in a minute
cannot be compared. So all cases take turns, in short blocks and in another order each round. A
ratio is that of two blocks of one round, of which there are many; the table has their median and
between which limits the middle half of them lies.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from random import Random
from statistics import fmean, median, quantiles
from time import perf_counter, process_time
from typing import Any, TypeVar

import attrs

K = TypeVar("K", bound=Hashable)


@attrs.frozen
class Case:
    """
    Something to measure.

    Attributes:
        call: What is measured.
        calls: So many are a block. Many enough for a few milliseconds, so that the clock does
            not matter; few enough for the next case to see the same weather.
        make: Returns what one call is given; it is not measured.
        elsewhere: Returns how many seconds a server has computed so far, None where nobody says.
    """

    call: Callable[[Any], object]
    calls: int = 50
    make: Callable[[], Any] = lambda: None
    elsewhere: Callable[[], float | None] = lambda: None


@attrs.frozen
class Ratio:
    """
    How much more one case takes than another.

    Attributes:
        median: Half of the rounds had less.
        low: A quarter of them had less.
        high: A quarter of them had more.
    """

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


@attrs.frozen
class Timings:
    """
    What a case took, one entry a round.

    Attributes:
        wall: Seconds a call.
        cpu: Seconds a call that this process computed; the rest it waited.
        elsewhere: Seconds a call that a server computed; nothing where nobody says.
    """

    wall: list[float] = attrs.field(factory=list[float])
    cpu: list[float] = attrs.field(factory=list[float])
    elsewhere: list[float] = attrs.field(factory=list[float])

    @property
    def usual(self) -> float:
        """Seconds a call, in half of the rounds."""
        return median(self.wall)

    @property
    def usual_cpu(self) -> float:
        """Seconds a call that this process computed, in half of the rounds."""
        return median(self.cpu)

    @property
    def mean_elsewhere(self) -> float | None:
        """Seconds a call that a server computed, on the average: clocks of processes are coarse."""
        return fmean(self.elsewhere) if self.elsewhere else None

    def over(self, other: Timings) -> Ratio:
        """Return what this took for each second of *other*, round by round."""
        return ratio_of(self.wall, other.wall)

    def cpu_over(self, other: Timings) -> Ratio:
        """Return the same for what this process computed."""
        return ratio_of(self.cpu, other.cpu)


def ratio_of(these: list[float], those: list[float]) -> Ratio:
    """Return the ratio of what was measured in the same rounds."""
    ratios = [this / that for this, that in zip(these, those, strict=True)]
    if len(ratios) == 1:
        return Ratio(ratios[0], ratios[0], ratios[0])
    low, middle, high = quantiles(ratios, n=4, method="inclusive")
    return Ratio(middle, low, high)


def interleave(cases: Mapping[K, Case], *, rounds: int) -> dict[K, Timings]:
    """
    Run each case once a round, in an order of its own each round.

    Args:
        cases: By names.
        rounds: So many, after one that is not counted: it fills caches and prepares statements.
    """
    # The same order in each run, so that two runs differ by the weather alone.
    order, names = Random(0), list(cases)
    timings = {name: Timings() for name in names}
    for number in range(rounds + 1):
        order.shuffle(names)
        for name in names:
            wall, cpu, elsewhere = _run_block(cases[name])
            if number:
                timings[name].wall.append(wall)
                timings[name].cpu.append(cpu)
                if elsewhere is not None:
                    timings[name].elsewhere.append(elsewhere)
    return timings


def _run_block(case: Case) -> tuple[float, float, float | None]:
    given = [case.make() for _ in range(case.calls)]
    call, before = case.call, case.elsewhere()
    cpu, start = process_time(), perf_counter()
    for one in given:
        call(one)
    wall, computed = perf_counter() - start, process_time() - cpu
    after = case.elsewhere()
    elsewhere = None if before is None or after is None else (after - before) / case.calls
    return wall / case.calls, computed / case.calls, elsewhere


def cpu_seconds(pids: Iterable[int]) -> float | None:
    """Return what these processes have computed so far; None where the system does not say."""
    ticks = 0
    for pid in pids:
        try:
            # After the name, which may have anything in it; then state is the first field.
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        except FileNotFoundError:
            return None
        ticks += int(fields[11]) + int(fields[12])  # utime and stime (proc_pid_stat(5))
    return ticks / os.sysconf("SC_CLK_TCK")
