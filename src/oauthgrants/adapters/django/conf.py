"""
The setting ``OAUTHGRANTS``, a dict.

Its keys are the settings of `AuthorizationServer` in capitals, those of `ResourceServer` with
``RESOURCE_`` before them, and a few more; the page on Django has the list. Text in the place of
an object is the dotted path of one, or of a class that needs no arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from inspect import signature
from typing import Any, cast

import attrs
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from oauthgrants.assembly import Endpoints
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.client_auth.mutual_tls import MutualTls
from oauthgrants.forms import Limits
from oauthgrants.protected_resource import ProtectedResource
from oauthgrants.sender_constraints.dpop_rules import DpopRules
from oauthgrants.server import AuthorizationServer
from oauthgrants.throttling import Throttle
from oauthgrants.tokens import Lifetimes

NAME = "OAUTHGRANTS"


def _settings_of(kind: Callable[..., object]) -> frozenset[str]:
    return frozenset(signature(kind).parameters)


_SERVER = _settings_of(AuthorizationServer) - {"lifetimes"}
# Both servers have them in common.
_SHARED = frozenset({"allow_insecure_transport", "clock", "event_sink", "limits"})
_RESOURCE = _settings_of(ProtectedResource) - _SHARED - {"resource"}
_LIFETIMES = {
    "access_token_lifetime": "access_token",
    "refresh_token_lifetime": "refresh_token",
    "family_lifetime": "family",
}
_ADAPTER = frozenset(
    {"allowed_origins", "password_verifier", "prefix", "resource", "trusted_proxies"}
)
_KEYS = frozenset(
    name.upper()
    for name in (*_SERVER, *_LIFETIMES, *_ADAPTER, *(f"resource_{name}" for name in _RESOURCE))
)
_RECORDS: Mapping[str, type] = {
    "assertions": AssertionRules,
    "dpop": DpopRules,
    "endpoints": Endpoints,
    "limits": Limits,
    "mutual_tls": MutualTls,
    "resource_dpop": DpopRules,
    "throttle": Throttle,
}
_TIMES = frozenset(
    {
        *_LIFETIMES,
        *("known_for", "leeway", "longest_lifetime", "longest_wait", "refresh_grace", "window"),
        *("longest_age", "nonce_lifetime"),
    }
)
# Everything else is an object, or a flag or number, which is never text.
_TEXTS = frozenset(
    {
        *("access_token_format", "audience", "client_auth_methods", "issuer", "scopes_supported"),
        *("allowed_origins", "prefix", "resource", "trusted_proxies"),
        *("resource_audience", "resource_authorization_servers", "resource_realm"),
        "resource_scopes_supported",
    }
)


@attrs.frozen
class Configuration:
    """
    What ``OAUTHGRANTS`` says.

    >>> Configuration.read({"REFRESH_GRACE": 10}).values["refresh_grace"]
    datetime.timedelta(seconds=10)
    >>> Configuration.read({"ISUER": "https://auth.example.com"})
    Traceback (most recent call last):
    ...
    django.core.exceptions.ImproperlyConfigured: OAUTHGRANTS has an unknown key 'ISUER'; is it
    'ISSUER'?

    Attributes:
        values: By name, in lower case; dotted paths have become what they lead to.
    """

    values: Mapping[str, Any]

    @classmethod
    def read(cls, given: object) -> Configuration:
        """
        Return what *given* says.

        Raises:
            ImproperlyConfigured: It is no dict, or has an unknown key, or something that it
                cannot have; says what.
        """
        if not isinstance(given, dict):
            raise ImproperlyConfigured(f"{NAME} has to be a dict, not {type(given).__name__}")
        entries = cast("dict[object, object]", given)
        for key in entries:
            if key not in _KEYS:
                raise ImproperlyConfigured(f"{NAME} has an unknown key {key!r}{_suggest(key)}")
        values = {str(key).lower(): _read(str(key), value) for key, value in entries.items()}
        return cls(values)

    @property
    def has_server(self) -> bool:
        """Whether there is an authorization server here."""
        return "issuer" in self.values

    @property
    def has_resource(self) -> bool:
        """Whether there is an API to protect here."""
        return "resource" in self.values

    def server_settings(self) -> dict[str, Any]:
        """Return the settings of the authorization server, but for stores and grants."""
        values = {name: value for name, value in self.values.items() if name in _SERVER}
        values["lifetimes"] = Lifetimes(
            **{
                attribute: self.values[name]
                for name, attribute in _LIFETIMES.items()
                if name in self.values
            }
        )
        if self.has_resource:
            # Tokens are for the API that is here, unless it is said whom they are for.
            values.setdefault("audience", self.values["resource"])
        return values

    def resource_settings(self) -> dict[str, Any]:
        """Return the settings of the resource server, except for what knows the tokens."""
        values = {
            name: self.values[f"resource_{name}"]
            for name in _RESOURCE
            if f"resource_{name}" in self.values
        }
        values |= {name: self.values[name] for name in _SHARED if name in self.values}
        if self.has_server:
            values.setdefault("authorization_servers", [self.values["issuer"]])
        return {"resource": self.values["resource"], **values}


def read_configuration() -> Configuration:
    """
    Return what the project's settings say.

    Raises:
        ImproperlyConfigured: They say something wrong, or nothing.
    """
    given = getattr(settings, NAME, None)
    if given is None:
        raise ImproperlyConfigured(f"{NAME} is missing from the settings")
    return Configuration.read(given)


def _read(key: str, value: object) -> Any:
    name = key.lower()
    if name in _TIMES:
        return _read_time(key, value)
    if name in _RECORDS:
        return _read_record(key, value, _RECORDS[name])
    if name == "grants":
        return _read_grants(key, value)
    if name in _TEXTS or not isinstance(value, str):
        return value
    return load(key, value)


def _read_time(key: str, value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise ImproperlyConfigured(f"{NAME}[{key!r}] has to be seconds or a timedelta")
    return timedelta(seconds=value)


def _read_record(key: str, value: object, kind: type) -> Any:
    """Return *value*, or a *kind* of what stands in it."""
    if value is None or isinstance(value, kind):
        return value
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f"{NAME}[{key!r}] has to be a dict")
    entries = cast("dict[str, Any]", value)
    try:
        return kind(
            **{
                name: _read_time(f"{key}.{name}", entry) if name in _TIMES else entry
                for name, entry in entries.items()
            }
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"{NAME}[{key!r}]: {error}") from None


def _read_grants(key: str, value: object) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ImproperlyConfigured(f"{NAME}[{key!r}] has to be a list of grants")
    return [
        load(key, grant) if isinstance(grant, str) and "." in grant else grant
        for grant in cast("Iterable[object]", value)
    ]


def load(key: str, path: str) -> Any:
    """
    Return what is at the dotted *path*; of a class, an instance.

    Raises:
        ImproperlyConfigured: There is nothing.
    """
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"{NAME}[{key!r}] is {path!r}: {error}") from error
    return found() if isinstance(found, type) else found


def _suggest(key: object) -> str:
    close = get_close_matches(str(key).upper(), sorted(_KEYS), n=1)
    return f"; is it {close[0]!r}?" if close else f"; there are {', '.join(sorted(_KEYS))}"
