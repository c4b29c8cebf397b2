"""System checks: what ``manage.py check`` says of the settings and the routes."""

from __future__ import annotations

import warnings
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  # Django's name
from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, resolve

from oauthgrants.adapters.django.conf import NAME, read_configuration
from oauthgrants.adapters.django.servers import Servers
from oauthgrants.adapters.django.views import SERVES
from oauthgrants.grants.password import PasswordGrantWarning


def check_settings(**_: Any) -> list[CheckMessage]:
    """Return what is wrong with the setting ``OAUTHGRANTS``, and what is dangerous."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PasswordGrantWarning)
        try:
            _find_paths()
        except ImproperlyConfigured as error:
            return [Error(str(error), id="oauthgrants.E001")]
    if any(issubclass(warning.category, PasswordGrantWarning) for warning in caught):
        return [
            Warning(
                f"{NAME} enables the password grant, which RFC 9700, Section 2.4 forbids",
                hint="Keep it to first-party clients, and move them to the authorization code "
                "grant.",
                id="oauthgrants.W001",
            )
        ]
    return []


def check_urls(**_: Any) -> list[CheckMessage]:
    """Return which endpoints are advertised and have no route."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PasswordGrantWarning)
        try:
            paths = _find_paths()
        except ImproperlyConfigured:
            return []  # the other check says so
    missing = [path for path in paths if not _is_served(path)]
    if not missing:
        return []
    return [
        Warning(
            f"no view of oauthgrants is at {', '.join(missing)}",
            hint='Add path("", include("oauthgrants.adapters.django.urls")) to ROOT_URLCONF; with '
            f"a prefix before the whole project, set {NAME}['PREFIX'].",
            id="oauthgrants.W002",
        )
    ]


def _find_paths() -> list[str]:
    """
    Return where the servers of the project have endpoints, having made all there is to make.

    Raises:
        ImproperlyConfigured: The settings say something wrong, or nothing.
    """
    made = Servers(read_configuration())
    paths: list[str] = []
    if made.configuration.has_server:
        _ = made.view
        paths += made.find_paths(made.server).values()
    if made.configuration.has_resource:
        _ = made.guard, made.metadata_view
        paths += made.find_paths(made.resource_server).values()
    if not paths:
        raise ImproperlyConfigured(f"{NAME} has neither 'ISSUER' nor 'RESOURCE'")
    return paths


def _is_served(path: str) -> bool:
    try:
        return hasattr(resolve(path).func, SERVES)
    except Resolver404:
        return False
