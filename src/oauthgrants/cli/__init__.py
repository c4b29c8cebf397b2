"""The command ``oauthgrants``: a server to develop against, and what goes with one."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress

from oauthgrants.cli.arguments import make_parser
from oauthgrants.cli.errors import CommandError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command, and return its status: 0, 1 for a failure, 2 for what was asked wrongly.

    Args:
        argv: The arguments, without the name of the program; by default the process's.

    Raises:
        SystemExit: Help or the version was asked for, or an argument is not one.
    """
    status, out = _run(make_parser().parse_args(argv)), sys.stdout
    if out is None:  # it is closed
        return status
    try:
        # What is written to a file or a pipe waits until now.
        out.flush()
    except OSError as error:
        with suppress(OSError):
            out.close()  # or Python would try it once more, and say so in its own way
        if status == 0:
            status = CommandError.status
            print(f"oauthgrants: {error.strerror}", file=sys.stderr)
    return status


def _run(arguments: Namespace) -> int:
    try:
        arguments.run(arguments)
    except CommandError as error:
        print(f"oauthgrants: {error}", file=sys.stderr)
        return error.status
    except OSError as error:
        # Such as an output that is full.
        print(f"oauthgrants: {error.strerror}", file=sys.stderr)
        return CommandError.status
    except KeyboardInterrupt:
        return 130  # what shells make of SIGINT
    return 0
