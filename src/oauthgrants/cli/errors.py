"""What ends a command: a line on stderr and a status."""

from __future__ import annotations

from typing import ClassVar


class CommandError(Exception):
    """
    A command cannot do what it is for.

    Args:
        message: For people, without secrets.
    """

    status: ClassVar[int] = 1


class UsageError(CommandError):
    """The options contradict one another."""

    status = 2


class ConfigError(UsageError):
    """
    The configuration file cannot be read, or says what cannot be.

    Args:
        key: Where in the file, such as ``clients[0].grant_types``; empty for all of it.
        why: What has to be different; never the value, which may be a secret.
    """

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}" if key else why)
