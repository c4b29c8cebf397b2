"""
A Django project in this process, for all tests that need one.

Whoever imports this package has Django set up: settings, applications, two databases with two
aliases each. PostgreSQL gets its address by `databases.use_postgres`, when it is first needed.
"""

from __future__ import annotations

import atexit
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import django
from django.conf import settings

_FOLDER = Path(mkdtemp())
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)

_SQLITE: dict[str, Any] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": str(_FOLDER / "oauth.db"),
    "OPTIONS": {"timeout": 60},
}
_POSTGRES: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql"}

settings.configure(
    SECRET_KEY="for tests",
    ALLOWED_HOSTS=["*"],
    USE_TZ=True,
    TIME_ZONE="UTC",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        "default": {**_SQLITE, "NAME": str(_FOLDER / "default.db")},
        "sqlite": _SQLITE,
        "sqlite_again": {**_SQLITE},
        "postgres": _POSTGRES,
        "postgres_again": {**_POSTGRES},
    },
    DATABASE_ROUTERS=["django_adapter.routers.ChosenRouter"],
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "rest_framework",
        "oauthgrants.adapters.django",
        "django_adapter.accounts",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    ROOT_URLCONF="django_adapter.urls",
    STATIC_URL="static/",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    OAUTHGRANTS={
        "ISSUER": "https://auth.example.com/oauth",
        "GRANTS": ["client_credentials"],
        "RESOURCE": "https://api.example.com",
    },
)
django.setup()
