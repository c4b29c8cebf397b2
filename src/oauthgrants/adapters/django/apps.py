"""What Django knows of the application before it loads the models."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register

from oauthgrants.adapters.django import options


class OAuthGrantsConfig(AppConfig):
    """The application, with the label ``oauthgrants``."""

    name = "oauthgrants.adapters.django"
    label = "oauthgrants"
    verbose_name: options.Text = "OAuth"
    default_auto_field: options.OrProperty[str] = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from oauthgrants.adapters.django.checks import check_settings, check_urls

        register(check_settings)
        register(check_urls, Tags.urls)
