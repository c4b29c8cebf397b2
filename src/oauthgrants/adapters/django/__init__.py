"""
The Django application: put ``oauthgrants.adapters.django`` into ``INSTALLED_APPS``.

Settings stand under one name, ``OAUTHGRANTS``; `conf` says which there are.
"""

from __future__ import annotations

try:
    import django as django
except ModuleNotFoundError as _missing:  # pragma: no cover  # a test tries it in its own process
    raise ModuleNotFoundError(
        "this adapter needs Django: pip install 'oauthgrants[django]'", name=_missing.name
    ) from _missing
