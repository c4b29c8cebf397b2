"""What gunicorn serves, in processes of its own."""

from __future__ import annotations

from collections.abc import Sequence

from oauthgrants.adapters.wsgi import WsgiApplication
from oauthgrants.testing.contract_servers import make_server


def build(prefix: str, trusted_proxies: Sequence[str]) -> WsgiApplication:
    """Return the application."""
    return WsgiApplication(make_server(prefix), trusted_proxies=trusted_proxies)
