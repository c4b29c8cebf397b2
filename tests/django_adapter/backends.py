"""Ways to authenticate, and middleware, as projects have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse


class LockingBackend(BaseBackend):
    """Lets nobody in from one address, as those do that count attempts; it needs the request."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Raise if the request comes from there."""
        if request is None:
            raise RuntimeError("where from?")
        if request.META["REMOTE_ADDR"] == "203.0.113.9":
            raise PermissionDenied


def read_body(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Look at the body before the view does."""

    def middleware(request: HttpRequest) -> HttpResponse:
        assert request.body
        return get_response(request)

    return middleware


def read_form(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Look at the form before the view does."""

    def middleware(request: HttpRequest) -> HttpResponse:
        assert "grant_type" in request.POST
        return get_response(request)

    return middleware


def read_half(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Take a part of the body away."""

    def middleware(request: HttpRequest) -> HttpResponse:
        assert request.read(5)
        return get_response(request)

    return middleware
