"""What gunicorn serves in each of its processes: an authorization server over PostgreSQL."""

from __future__ import annotations

import os

from sqlalchemy import create_engine

from oauthgrants import AuthorizationServer
from oauthgrants.adapters.wsgi import WsgiApplication
from oauthgrants.stores.cached import CachedClients
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore

from .asking import settings_of

URL = "OAUTHGRANTS_BENCHMARK_URL"
"""The variable that has the URL of the database: the arguments of a process are for all to see."""


def build(*, cached: bool) -> WsgiApplication:
    """Return the application; each process has its own, with its own connections."""
    store = SqlAlchemyStore(create_engine(os.environ[URL]))
    further = {"clients": CachedClients(store)} if cached else {}
    return WsgiApplication(AuthorizationServer(**settings_of(store, **further)))
