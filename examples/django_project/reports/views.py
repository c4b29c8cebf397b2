"""Views of Django that want a token."""

from django.http import JsonResponse
from django.views import View

from oauthgrants.adapters.django.guards import RequireTokenMixin, require_token


@require_token(scope="reports:read")
def list_reports(request):
    """Say who asks: a user, or a client for itself."""
    token = request.oauth_token
    return JsonResponse({"for": token.username or token.client_id})


class Report(RequireTokenMixin, View):
    """One report."""

    required_scope = "reports:write"

    def put(self, request, number):
        """Change it."""
        return JsonResponse({"changed": number, "by": request.oauth_token.sub})


@require_token(any_scope="reports:read reports:write")
async def count_reports(request):
    """Say how many there are."""
    return JsonResponse({"count": 0, "for": request.oauth_token.client_id})
