"""A view of Django REST framework that wants a token."""

from rest_framework.response import Response
from rest_framework.views import APIView

from oauthgrants.adapters.django.rest_framework import TokenAuthentication, require_token


class Reports(APIView):
    """The reports of whoever asks."""

    authentication_classes = (TokenAuthentication,)
    permission_classes = (require_token(scope="reports:read"),)

    def get(self, request):
        """Say who asks; ``request.user`` is the account if there is one."""
        return Response({"user": request.user.get_username(), "client": request.auth.client_id})
