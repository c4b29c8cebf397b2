"""Tokens of a client that acts for itself, kept until they expire; to copy."""

import threading
import time

import httpx


class ClientCredentials(httpx.Auth):
    """
    Puts an access token on each request, and a new one if the answer is 401.

    One object per client and target, shared by all threads.
    """

    requires_response_body = False

    def __init__(self, token_url, client_id, client_secret, **parameters):
        """Keep the credentials; *parameters* such as ``scope`` go into each token request."""
        self._token_url = token_url
        self._credentials = httpx.BasicAuth(client_id, client_secret)
        self._form = {"grant_type": "client_credentials", **parameters}
        self._lock = threading.Lock()
        self._token, self._good_until = "", 0.0

    def sync_auth_flow(self, request):
        """Send *request* with a token, once more if that has been revoked."""
        token = self._find_token()
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {self._find_token(instead_of=token)}"
            yield request

    def _find_token(self, instead_of=None):
        with self._lock:  # one thread asks, the others wait for its answer
            if self._token == instead_of or time.monotonic() >= self._good_until:
                asked_at = time.monotonic()
                answer = httpx.post(
                    self._token_url, auth=self._credentials, data=self._form, timeout=10
                ).raise_for_status()
                self._token = answer.json()["access_token"]
                # A little earlier than it expires, so that it does not on its way.
                self._good_until = asked_at + 0.9 * answer.json()["expires_in"]
            return self._token
