"""The endpoints: from a request to a response, whatever comes."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Endpoints:
    """
    Where the endpoints are: paths below the issuer, with a query if need be.

    Raises:
        ValueError: One does not begin with ``/``, or has a fragment (RFC 6749, 3.2), or two have
            the same path.
    """

    token: str = "/token"
    introspection: str = "/introspect"
    revocation: str = "/revoke"
    jwks: str = "/jwks.json"

    def __attrs_post_init__(self) -> None:
        owners: dict[str, str] = {}
        for name, location in attrs.asdict(self).items():
            if not location.startswith("/") or "#" in location:
                raise ValueError(
                    f"the {name} endpoint is {location!r}; it has to begin with '/', without "
                    "fragment (RFC 6749, Section 3.2)"
                )
            path = location.partition("?")[0]
            owner = owners.setdefault(path, name)
            if owner != name:
                raise ValueError(f"the endpoints {owner} and {name} have the same path, {path!r}")
