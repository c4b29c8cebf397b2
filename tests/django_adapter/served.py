"""What web servers serve, in processes of their own."""

from __future__ import annotations

import json
import os
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

from django_adapter.mounting import Routes
from oauthgrants.adapters.django.routes import make_urls
from oauthgrants.testing.contract_servers import make_async_server, make_server


def _route(make: Any) -> None:
    told = json.loads(os.environ["CONTRACT"])
    server = make(told["prefix"])
    # The web server takes the prefix off.
    urls = make_urls(server, prefix="", trusted_proxies=told["trusted_proxies"])
    settings.ROOT_URLCONF = Routes(urls)


def build_wsgi() -> WSGIHandler:
    """Return the application for gunicorn."""
    _route(make_server)
    return WSGIHandler()


def build_asgi() -> ASGIHandler:
    """Return the application for uvicorn."""
    _route(make_async_server)
    return ASGIHandler()
