"""``oauthgrants conformance``: checks a server from outside, and says what came of it."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from oauthgrants.cli.errors import CommandError, UsageError
from oauthgrants.secret import Secret
from oauthgrants.testing.conformance import CHECKS, Report, Target, Unusable, run_conformance
from oauthgrants.testing.conformance.reports import to_html, to_json, to_junit, to_text

_MOST_OCTETS = 64 * 1024
_COLOURS = {r"^  passed": "green", r"^  FAILED": "bold red", r"^  skipped": "dim"}


def check_server(arguments: Namespace) -> None:
    """
    Make the checks that *arguments* ask for, print the report and write those for files.

    Raises:
        CommandError: A check failed that counts.
        UsageError: The server could not be checked, or not to the end.
    """
    try:
        report = run_conformance(_target(arguments), only=arguments.only)
    except (Unusable, ValueError) as error:
        raise UsageError(str(error)) from None
    text = to_json(report) + "\n" if arguments.json else to_text(report, verbose=arguments.verbose)
    _print(text, coloured=not arguments.json and sys.stdout.isatty())
    _write(arguments.junit, to_junit(report, strict=arguments.strict))
    _write(arguments.html, to_html(report))
    _judge(report, strict=arguments.strict)


def list_checks() -> str:
    """Return the names and titles of the checks."""
    return "\n".join(f"{each.name:40} {each.level:7}{each.title}" for each in CHECKS)


def _target(arguments: Namespace) -> Target:
    if arguments.client_id is None:  # for --list alone it may be missing
        raise UsageError("give the client that asks, --client-id ID")
    return Target(
        client_id=arguments.client_id,
        client_secret=_secret(arguments, "client_secret"),
        auth_method=arguments.auth_method,
        issuer=arguments.issuer,
        token_endpoint=arguments.token_endpoint,
        introspection_endpoint=arguments.introspection_endpoint,
        revocation_endpoint=arguments.revocation_endpoint,
        private_key=_read(arguments.private_key),
        signing_alg=arguments.signing_alg,
        key_id=arguments.key_id,
        scope=arguments.scope,
        resource=arguments.resource,
        username=arguments.username,
        password=_secret(arguments, "password"),
        other_client_id=arguments.other_client_id,
        other_client_secret=_secret(arguments, "other_client_secret"),
        protected_resource=arguments.protected_resource,
        ca_file=arguments.ca_file,
        allow_insecure=arguments.allow_insecure,
        wrong_secrets=not arguments.no_wrong_secrets,
        max_requests=arguments.max_requests,
        timeout=float(arguments.timeout),
    )


def _secret(arguments: Namespace, name: str) -> Secret | None:
    """Return the secret *name*: from its file, from the command line, or from the environment."""
    file = getattr(arguments, f"{name}_file")
    text = getattr(arguments, name)
    if file is not None and text is not None:
        option = name.replace("_", "-")
        raise UsageError(f"give either --{option} or --{option}-file")
    if file == "-":
        return Secret(_read_line())
    if file is not None:
        content = _read(Path(file))
        return content and Secret(content.reveal().rstrip("\r\n"))
    if text is None:
        text = os.environ.get(f"OAUTHGRANTS_{name.upper()}")
    # The environment may have a password for another user than none.
    return Secret(text) if text and _belongs(arguments, name) else None


def _belongs(arguments: Namespace, name: str) -> bool:
    match name:
        case "password":
            return arguments.username is not None
        case "other_client_secret":
            return arguments.other_client_id is not None
        case _:
            return True


def _read_line() -> str:
    line = "" if sys.stdin is None else sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise UsageError("standard input has no secret in its first line")
    return line


def _read(path: Path | None) -> Secret | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return Secret(file.read(_MOST_OCTETS).decode())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {path}: it is not UTF-8") from None


def _write(path: Path | None, text: str) -> None:
    if path is None:
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _print(text: str, *, coloured: bool) -> None:
    if coloured:
        try:
            from oauthgrants.cli.terminal import Terminal
        except ModuleNotFoundError:
            pass  # it reads as well without colours
        else:
            Terminal().show_marked(text, _COLOURS)
            return
    sys.stdout.write(text)
    sys.stdout.flush()


def _judge(report: Report, *, strict: bool) -> None:
    match report.exit_status(strict=strict):
        case 1:
            failed = len(report.failures(strict=strict))
            levels = "MUST or SHOULD" if strict else "MUST"
            raise CommandError(f"{failed} of the checks failed that are asked with {levels}")
        case 2:
            raise UsageError(f"the run was cut short: {report.cut_short}")
        case _:
            pass
