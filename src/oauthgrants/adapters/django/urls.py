"""The endpoints of the project, for ``path("", include("oauthgrants.adapters.django.urls"))``."""

from __future__ import annotations

from django.urls import URLPattern

from oauthgrants.adapters.django.routes import make_project_urls

app_name = "oauthgrants"
urlpatterns: list[URLPattern] = make_project_urls(is_async=False)
