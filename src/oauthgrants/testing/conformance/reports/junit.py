"""A report for CI, in the form of JUnit."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from oauthgrants.testing.conformance.requirements import requirement_texts
from oauthgrants.testing.conformance.results import Report, Result, Status


def to_junit(report: Report, *, strict: bool = False) -> str:
    """
    Return *report* as XML: a test suite, a test case for each check.

    Args:
        report: What came of a run.
        strict: Whether a SHOULD that failed is a failure too; otherwise it is shown as skipped.
    """
    failures = report.failures(strict=strict)
    results = report.results
    skipped = [each for each in results if each not in failures and each.status != Status.PASSED]
    suite = Element(
        "testsuite",
        name=f"conformance of {report.server}",
        timestamp=report.began_at.isoformat(),
        tests=str(len(results)),
        failures=str(len(failures)),
        errors="0",
        skipped=str(len(skipped)),
    )
    for result in results:
        _add(suite, result, counts=result in failures)
    indent(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(suite, "unicode")}\n'


def _add(suite: Element, result: Result, *, counts: bool) -> None:
    check = result.check
    case = SubElement(suite, "testcase", classname=check.section, name=check.title)
    if counts:
        failure = SubElement(case, "failure", message=result.why, type=check.level)
        failure.text = "\n".join(requirement_texts()[id_] for id_ in check.requirements)
    elif result.status is Status.FAILED:
        SubElement(case, "skipped", message=f"{check.level} failed: {result.why}")
    elif result.status is Status.SKIPPED:
        SubElement(case, "skipped", message=result.why)
    if result.status is Status.FAILED:
        shown = SubElement(case, "system-out")
        shown.text = "\n\n".join(f"{each.request}\n\n{each.response}" for each in result.exchanges)
