"""Where everything is."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("oauthgrants.adapters.django.urls")),
    path("admin/", admin.site.urls),
    path("reports/", include("reports.urls")),
]
