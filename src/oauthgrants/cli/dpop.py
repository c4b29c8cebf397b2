"""The ``[dpop]`` of the configuration file."""

from __future__ import annotations

from typing import Any

from oauthgrants.cli.errors import CommandError, ConfigError
from oauthgrants.sender_constraints.dpop_rules import DpopRules


def read_dpop(values: dict[str, Any] | None) -> DpopRules | None:
    """
    Return what proofs have to be; None, which does without them, if nothing can verify any.

    Args:
        values: The table, read; None if there is none, and so nothing is asked for.

    Raises:
        ConfigError: A value is not what it has to be.
        CommandError: It asks for what is not installed.
    """
    try:
        rules = DpopRules(**values or {})
        rules.require_library()
    except ValueError as error:
        raise ConfigError("dpop", str(error)) from None
    except ModuleNotFoundError as error:
        if values is None:
            return None
        raise CommandError(f"[dpop]: {error}") from None
    return rules
