"""``oauthgrants openapi``: what describes the endpoints to tools, in OpenAPI 3.1."""

from __future__ import annotations

import json
import sys
import warnings
from contextlib import closing
from pathlib import Path

from oauthgrants.cli.config import load, read_configuration

_USUAL = """
issuer = "https://auth.example.com"

[grants]
client_credentials = true
password = true
refresh_token = true
"""


def describe(config: Path | None) -> str:
    """
    Return the description of a server, as JSON.

    Args:
        config: The file of the server, None for one with the three grants and all else as usual.

    Raises:
        ConfigError: The file has what it may not have.
        CommandError: It asks for what is not installed.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        configuration = read_configuration(_USUAL) if config is None else load(config)
    if config is not None:
        for warning in caught:
            print(f"warning: {warning.message}", file=sys.stderr)
    with closing(configuration.tokens):
        return json.dumps(configuration.server.openapi(), indent=2)
