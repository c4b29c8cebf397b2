"""The endpoints of the project, for ``path("", include("oauthgrants.adapters.django.urls"))``."""

from __future__ import annotations

from oauthgrants.adapters.django.routes import make_project_urls

app_name = "oauthgrants"
urlpatterns = make_project_urls(is_async=False)
