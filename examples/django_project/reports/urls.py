"""Where the reports are."""

from django.urls import path

from reports.api import Reports
from reports.views import Report, count_reports, list_reports

urlpatterns = [
    path("", list_reports),
    path("<int:number>", Report.as_view()),
    path("count", count_reports),
    path("api", Reports.as_view()),
]
