"""``oauthgrants check``: holds the server that a file describes to RFC 9700 and OAuth 2.1."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Collection, Sequence
from contextlib import closing
from difflib import get_close_matches
from pathlib import Path

from oauthgrants.cli.config import load
from oauthgrants.cli.errors import CommandError, UsageError
from oauthgrants.grants.password import PasswordGrantWarning
from oauthgrants.policy import RULES, Finding, Severity


def check(
    config: Path, *, as_json: bool, fail_on: Severity | None, accepted: Collection[str]
) -> None:
    """
    Print what there is to find in the server that the file *config* describes.

    Nothing is connected to, and nothing is written.

    Args:
        config: A TOML file.
        as_json: Whether a program reads it.
        fail_on: The least severity that fails the check, None to fail it never.
        accepted: The names of rules whose findings are left out.

    Raises:
        CommandError: There is something of that severity.
        UsageError: *accepted* names no rule, or the file has what it may not have.
    """
    _require_rules(accepted)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The check says it itself, and what to do.
        warnings.simplefilter("ignore", PasswordGrantWarning)
        configuration = load(config, makes_keys=False)
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    with closing(configuration.tokens):
        found = configuration.server.check()
    findings = [finding for finding in found if finding.rule not in accepted]
    if as_json:
        print(_to_json(findings, found))
    else:
        _show(findings)
        print(_summary(findings, found))
    failures = sum(fail_on is not None and finding.severity >= fail_on for finding in findings)
    if failures:
        raise CommandError(f"{config}: {failures} of severity {fail_on} or above")


def _require_rules(names: Collection[str]) -> None:
    known = [rule.name for rule in RULES]
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            raise UsageError(
                "--accept: there is no such rule" + (f"; is it {close[0]}?" if close else "")
            )


def _show(findings: Sequence[Finding]) -> None:
    if sys.stdout.isatty():
        try:
            from oauthgrants.cli.terminal import Terminal
        except ModuleNotFoundError:
            pass  # Without rich, plain lines have to do.
        else:
            return Terminal().show_findings(findings)
    for finding in findings:
        print(
            f"{finding.severity}: {finding.subject}: {finding.message}. {finding.advice} "
            f"[{finding.rule}: {', '.join(finding.requirements)}]"
        )
    return None


def _summary(findings: Sequence[Finding], found: Sequence[Finding]) -> str:
    counts = _count(findings)
    said = ", ".join(f"{number} {severity}" for severity, number in counts.items())
    accepted = len(found) - len(findings)
    return f"found: {said}" + (f"; {accepted} accepted" if accepted else "")


def _count(findings: Sequence[Finding]) -> dict[str, int]:
    return {
        str(severity): sum(finding.severity is severity for finding in findings)
        for severity in sorted(Severity, reverse=True)
    }


def _to_json(findings: Sequence[Finding], found: Sequence[Finding]) -> str:
    return json.dumps(
        {
            "findings": [finding.parameters() for finding in findings],
            "counts": _count(findings),
            "accepted": len(found) - len(findings),
        },
        indent=2,
    )
