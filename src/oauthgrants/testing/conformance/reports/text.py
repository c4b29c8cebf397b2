"""A report for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from textwrap import indent

from oauthgrants.testing.conformance.levels import Level
from oauthgrants.testing.conformance.results import Report, Result, Status

_INDENT = " " * 17


def to_text(report: Report, *, verbose: bool = False) -> str:
    """
    Return *report* as lines.

    Args:
        report: What came of a run.
        verbose: Whether to show what was sent and what came back where a check failed.
    """
    asked_by = f"asked by {report.client_id} ({report.auth_method})"
    lines = [f"Conformance of {report.server}, {asked_by}"]
    for section, results in groupby(report.results, key=lambda each: each.check.section):
        lines += ["", section]
        for result in results:
            lines += _lines_of(result, verbose=verbose)
    return "\n".join([*lines, "", *summary(report)]) + "\n"


def summary(report: Report) -> list[str]:
    """Return what a run came to, in a line or two."""
    counts = report.counts()
    failed = [each.check.level for each in report.results if each.status is Status.FAILED]
    by_level = ", ".join(f"{failed.count(level)} {level}" for level in Level if level in failed)
    lines = [
        f"{counts[Status.PASSED]} passed, {counts[Status.FAILED]} failed"
        f"{f' ({by_level})' if by_level else ''}, {counts[Status.SKIPPED]} skipped; "
        f"{report.requests} requests, {report.wrong} of them wrong on purpose"
    ]
    if report.remaining:
        lines.append(f"{report.remaining} tokens could not be revoked: they are left to expire")
    if report.cut_short:
        lines.append(f"The run was cut short: {report.cut_short}")
    return lines


def _lines_of(result: Result, *, verbose: bool) -> Iterator[str]:
    check = result.check
    word = "FAILED" if result.status is Status.FAILED else result.status
    yield f"  {word:8}{check.level:7}{check.title} [{', '.join(check.requirements)}]"
    if result.why:
        yield f"{_INDENT}{result.why}"
    if verbose and result.status is Status.FAILED:
        for exchange in result.exchanges:
            yield indent(exchange.request, f"{_INDENT}> ", lambda _: True)
            yield indent(exchange.response, f"{_INDENT}< ", lambda _: True)
