"""The server's metadata, generated from what is wired (RFC 8414)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from oauthgrants.algorithms import ALGORITHMS_OF
from oauthgrants.wire import encode_json


class GeneratedMember(ValueError):
    """
    The host would replace a member that is generated.

    Args:
        names: The members.
    """

    def __init__(self, *names: str) -> None:
        super().__init__(
            f"metadata has {', '.join(names)}, which the server generates from what is wired"
        )
        self.names = names


def well_known_url(identifier: str, suffix: str) -> str:
    """
    Return where the metadata of *identifier* are: between its host and its path.

    Args:
        identifier: An issuer (RFC 8414, 3.1) or a resource (RFC 9728, 3.1).
        suffix: The registered name, such as ``oauth-authorization-server``.

    >>> well_known_url("https://example.com/issuer1", "oauth-authorization-server")
    'https://example.com/.well-known/oauth-authorization-server/issuer1'
    """
    url = urlsplit(identifier)
    path = url.path.removesuffix("/")
    return urlunsplit((url.scheme, url.netloc, f"/.well-known/{suffix}{path}", url.query, ""))


def generate_metadata(
    wired: Mapping[str, Any],
    *,
    auth_methods: Collection[str],
    introspection_algorithm: str | None,
    publish_response_types: bool,
    added: Mapping[str, Any],
) -> dict[str, Any]:
    """
    Return the metadata document (RFC 8414, 2).

    Args:
        wired: Members that say where the endpoints are and what they do; the empty ones among
            them are left out (3.2).
        auth_methods: The client authentication methods that are enabled.
        introspection_algorithm: What signs introspection answers, None if nothing does.
        publish_response_types: Whether ``response_types_supported`` is there, empty (C-17).
        added: What the host adds (C-25).

    Raises:
        GeneratedMember: The host would replace one.
        ValueError: What it adds is not JSON.
    """
    methods = sorted(auth_methods)
    algorithms = sorted({name for each in methods for name in ALGORITHMS_OF.get(each, ())})
    members = {
        **wired,
        **{
            f"{endpoint}_endpoint_auth_signing_alg_values_supported": algorithms
            for endpoint in ("token", "revocation", "introspection")
        },
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        # Whoever introspects has to prove who it is (RFC 7662, 2.1).
        "introspection_endpoint_auth_methods_supported": sorted(set(methods) - {"none"}),
    }
    generated = {name: value for name, value in members.items() if value}
    if introspection_algorithm is not None:
        generated["introspection_signing_alg_values_supported"] = [introspection_algorithm]
    if publish_response_types:
        generated["response_types_supported"] = []
    replaced = sorted(generated.keys() & added.keys())
    if replaced:
        raise GeneratedMember(*replaced)
    try:
        encode_json(added)
    except (TypeError, ValueError) as error:
        raise ValueError(f"metadata cannot be written as JSON: {error}") from None
    return {**generated, **added}
