"""
Write ``docs/conformance-reports.md``: what the kit says of three servers.

    python tests/conformance_kit/write_reports.py
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from kit_authlib import serving_authlib
from kit_faults import CASES, Case
from kit_servers import OwnServer, serving_own, target

from oauthgrants.testing.conformance import (
    CHECKS,
    Check,
    Report,
    Result,
    Status,
    Target,
    run_conformance,
)
from oauthgrants.testing.conformance.reports import to_text

PAGE = Path(__file__).parents[2] / "docs" / "conformance-reports.md"
OURS, AUTHLIB = "oauthgrants", "Authlib in Flask"

_INTRODUCTION = """\
<!-- Written by python tests/conformance_kit/write_reports.py -->

# Reports of the conformance kit

What [the kit](conformance-kit.md) says of three servers: ours, Authlib {authlib} in Flask set up as
its documentation has it, and a server that is broken on purpose. The broken one has one fault at a
time, a different one for each check, and the last column is what the kit said about it: a check
that could not fail would prove nothing. Authlib has no metadata, no resource indicators and no JWTs
here, so what is about those is skipped. *No* means that the check failed. Some of it a host can
change: lifetimes are a setting of Authlib, and what happens on reuse of a token is the host's to
write.
"""


def run_ours(url: str) -> Report:
    """Check ours with all that there is."""
    return run_conformance(target(url))


def run_authlib(url: str) -> Report:
    """Check Authlib with what it has here."""
    endpoints = {
        f"{name}_endpoint": f"{url}/{path}"
        for name, path in (
            ("token", "token"),
            ("introspection", "introspect"),
            ("revocation", "revoke"),
        )
    }
    return run_conformance(target(url, issuer=None, resource=None, **endpoints))


def run_broken(url: str, server: OwnServer) -> dict[str, Result]:
    """Check what is broken, by a fault for each check."""
    results: dict[str, Result] = {}
    for name, case in CASES.items():
        server.faults = [case.fault]
        broken = target_of(case, url, is_well=False)
        results[name] = run_conformance(broken, only=[name])[name]
    return results


def target_of(case: Case, url: str, *, is_well: bool) -> Target:
    """Return how to ask a server that has the fault of *case*, or would do well without."""
    settings = dict(case.settings)
    url += settings.pop("path", "")
    if host := settings.pop("host", None):
        # Reached on this machine too, and no loopback host by its name.
        name = url if is_well else url.replace("127.0.0.1", host)
        settings["token_endpoint"] = f"{name}/token"
    for name, path in settings.items():
        if name.endswith("_endpoint") and path.startswith("/"):
            settings[name] = f"{url}{path}"
    return target(url, case.method, **settings)


def write(reports: Mapping[str, Report], broken: Mapping[str, Result], authlib: str) -> str:
    """Return the page."""
    lines = [_INTRODUCTION.format(authlib=authlib), *_counts(reports, broken)]
    lines += ["", f"## What {AUTHLIB} does otherwise", ""]
    lines += [
        f"- {each.check.level}: {_plain(each.check.title)} ({', '.join(each.check.requirements)}): "
        f"{_plain(each.why)}"
        for each in reports[AUTHLIB].results
        if each.status is Status.FAILED
    ]
    for section, checks in groupby(CHECKS, key=lambda each: each.section):
        lines += ["", f"## {section}", ""]
        lines += [f"| level | what has to be | {OURS} | Authlib | broken on purpose |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        lines += [_row(check, reports, broken) for check in checks]
    lines += ["", "## The text of a report", "", "The one of ours, as a terminal shows it:", ""]
    return "\n".join([*lines, "```text", _plain(to_text(reports[OURS]), cell=False), "```", ""])


def statuses(page: str) -> dict[str, tuple[str, str]]:
    """Return what a page says of ours and of Authlib, by the title of each check."""
    rows = re.findall(r"^\| (?:MUST|SHOULD|MAY) \| (.*?) \| (\w+) \| (\w+) \|", page, re.MULTILINE)
    return {re.sub(r"\\(.)", r"\1", title): (ours, authlib) for title, ours, authlib in rows}


def words_for(reports: Sequence[Report], check: Check) -> tuple[str, ...]:
    """Return what the page has for *check*."""
    words = {Status.PASSED: "yes", Status.FAILED: "no", Status.SKIPPED: "skipped"}
    return tuple(words[each[check.name].status] for each in reports)


def _counts(reports: Mapping[str, Report], broken: Mapping[str, Result]) -> list[str]:
    lines = ["| server | passed | failed | skipped |", "| --- | --- | --- | --- |"]
    for name, report in reports.items():
        counts = [report.counts()[status] for status in Status]
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    found = sum(each.status is Status.FAILED for each in broken.values())
    return [*lines, f"| broken on purpose, {len(broken)} faults | | {found} | |"]


def _row(check: Check, reports: Mapping[str, Report], broken: Mapping[str, Result]) -> str:
    ours, authlib = words_for([reports[OURS], reports[AUTHLIB]], check)
    found = _plain(broken[check.name].why)
    return f"| {check.level} | {_plain(check.title)} | {ours} | {authlib} | {found} |"


def _plain(text: str, *, cell: bool = True) -> str:
    text = re.sub(r"(127\.0\.0\.1|0\.0\.0\.0):\d+", r"\1:8000", text).rstrip()
    # A table has bars of its own, and Markdown other meanings for the rest.
    return re.sub(r"([|<>*_`\\])", r"\\\1", text) if cell else text


def main() -> None:
    """Write the page."""
    logging.disable()
    with serving_own() as (url, server):
        ours = run_ours(url)
        broken = run_broken(url, server)
    with serving_authlib() as url:
        authlib = run_authlib(url)
    PAGE.write_text(write({OURS: ours, AUTHLIB: authlib}, broken, version("authlib")), "utf-8")


if __name__ == "__main__":
    main()
