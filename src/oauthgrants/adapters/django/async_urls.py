"""The same with async views, for projects on an ASGI server."""

from __future__ import annotations

from oauthgrants.adapters.django.routes import make_project_urls

app_name = "oauthgrants"
urlpatterns = make_project_urls(is_async=True)
