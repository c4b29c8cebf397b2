"""Routes of one test, as the routes of the project."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, TypeAlias

from django.test import override_settings
from django.urls import URLPattern, URLResolver

AnyRoute: TypeAlias = URLPattern | URLResolver


class Routes:
    """What a module of routes has."""

    def __init__(self, urlpatterns: Iterable[AnyRoute]) -> None:
        self.urlpatterns = list(urlpatterns)


@contextmanager
def routing(urlpatterns: Iterable[AnyRoute], **settings: Any) -> Generator[None, None, None]:
    """Let the project have *urlpatterns* and *settings*."""
    with override_settings(ROOT_URLCONF=Routes(urlpatterns), **settings):
        yield
