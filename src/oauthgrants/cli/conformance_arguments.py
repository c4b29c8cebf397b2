"""What can be given to ``oauthgrants conformance``."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from oauthgrants.cli import commands as run

# Named here, so that the other commands do not load the kit.
AUTH_METHODS = (
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "none",
)
MOST_REQUESTS = 1000
MOST_SECONDS = 300
_DESCRIPTION = (
    "Check an authorization server from outside, over HTTP. Status 0: all that the "
    "specifications ask with MUST is done; 1: something is not; 2: it could not be checked."
)
_EPILOG = (
    "Other users of this machine can see the arguments of a command, and shells remember them: "
    "give secrets by the environment (OAUTHGRANTS_CLIENT_SECRET, OAUTHGRANTS_PASSWORD, "
    "OAUTHGRANTS_OTHER_CLIENT_SECRET) or in files."
)


def add_conformance(command: ArgumentParser) -> None:
    """Add the arguments to *command*."""
    command.description, command.epilog = _DESCRIPTION, _EPILOG
    _add_server(command)
    _add_credentials(command)
    _add_limits(command)
    _add_reports(command)
    command.set_defaults(run=run.conformance)


def _add_server(command: ArgumentParser) -> None:
    group = command.add_argument_group("the server")
    group.add_argument("--issuer", metavar="URL", help="where its metadata are looked for")
    for name in ("token", "introspection", "revocation"):
        text = "instead of the one in the metadata"
        group.add_argument(f"--{name}-endpoint", metavar="URL", help=text)
    group.add_argument("--scope", help="what to ask for; two or more allow for more checks")
    group.add_argument("--resource", metavar="URI", help="a resource to ask for (RFC 8707)")
    group.add_argument(
        "--protected-resource", metavar="URL", help="takes access tokens, and is sent GET requests"
    )
    group.add_argument("--ca-file", metavar="FILE", help="certificates to trust, as PEM")
    group.add_argument(
        "--allow-insecure", action="store_true", help="plain http to hosts other than this one"
    )


def _add_credentials(command: ArgumentParser) -> None:
    group = command.add_argument_group("who asks")
    group.add_argument("--client-id", metavar="ID", help="a client")
    group.add_argument(
        "--auth-method", choices=AUTH_METHODS, default=AUTH_METHODS[0], help="(%(default)s)"
    )
    _add_secret(group.add_argument, "client-secret", "the client's secret")
    group.add_argument("--private-key", type=Path, metavar="FILE", help="PEM, for private_key_jwt")
    group.add_argument("--signing-alg", default="ES256", metavar="ALG", help="(%(default)s)")
    group.add_argument("--key-id", metavar="KID", help="of the key (its thumbprint)")
    group.add_argument("--username", help="a user, for the password and the refresh token grant")
    _add_secret(group.add_argument, "password", "their password")
    group.add_argument(
        "--other-client-id", metavar="ID", help="a second client, who may not use another's tokens"
    )
    _add_secret(group.add_argument, "other-client-secret", "its secret")


def _add_secret(add: Callable[..., object], name: str, text: str) -> None:
    add(f"--{name}", metavar="TEXT", help=f"{text}; better not here, see below")
    add(f"--{name}-file", metavar="FILE", help=f"has {text}; - for stdin")


def _add_limits(command: ArgumentParser) -> None:
    group = command.add_argument_group("limits")
    group.add_argument(
        "--no-wrong-secrets",
        action="store_true",
        help="leave out the few requests with a wrong secret or a made-up token",
    )
    group.add_argument(
        "--max-requests",
        type=_up_to(MOST_REQUESTS),
        default=300,
        metavar="NUMBER",
        help="revocation at the end included (%(default)s)",
    )
    group.add_argument(
        "--timeout",
        type=_up_to(MOST_SECONDS),
        default=10,
        metavar="SECONDS",
        help="for each answer as a whole (%(default)s)",
    )


def _add_reports(command: ArgumentParser) -> None:
    group = command.add_argument_group("what comes of it")
    group.add_argument(
        "--check", dest="only", action="append", metavar="NAME", help="this one; may be repeated"
    )
    group.add_argument("--list", action="store_true", help="show the checks, and make none")
    group.add_argument(
        "--strict", action="store_true", help="count what is asked with SHOULD as with MUST"
    )
    group.add_argument("--json", action="store_true", help="print JSON instead of text")
    group.add_argument("--junit", type=Path, metavar="FILE", help="write XML for CI as well")
    group.add_argument("--html", type=Path, metavar="FILE", help="write a page as well")
    group.add_argument(
        "--verbose", action="store_true", help="show what was sent and came back in failures"
    )


def _up_to(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
            raise ArgumentTypeError(f"has to be from 1 to {most}")
        return int(text)

    return read
