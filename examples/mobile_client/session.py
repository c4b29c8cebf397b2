"""
The sign-in of a first-party app that has had a form for user name and password since long ago.

New apps send people to a browser instead (RFC 8252; RFC 9700, 2.4). README.md has the way there.
"""

import httpx


class SignedOut(Exception):
    """The user has to sign in again."""


class Session:
    """
    Requests of a user who signed in once.

    The password is sent once and kept nowhere; the refresh token is what stays, in the key chain
    of the device.
    """

    def __init__(self, auth_url, api_url, client_id, refresh_token=None, keep=lambda _: None):
        """Begin; *keep* is told each new refresh token, and None when there is none any more."""
        self._auth_url, self._client_id, self._keep = auth_url, client_id, keep
        self._http = httpx.Client(base_url=api_url, timeout=10)
        self._access_token, self._refresh_token = None, refresh_token

    def sign_in(self, username, password):
        """Exchange the password for tokens."""
        self._ask(grant_type="password", username=username, password=password)

    def get(self, path):
        """Return the JSON at *path*."""
        if self._access_token is None:
            self._refresh()
        answer = self._send(path)
        if answer.status_code == httpx.codes.UNAUTHORIZED:  # expired or revoked
            self._refresh()
            answer = self._send(path)
        return answer.raise_for_status().json()

    def sign_out(self):
        """End all tokens of this sign-in."""
        if self._refresh_token is not None:
            form = {"token": self._refresh_token, "client_id": self._client_id}
            httpx.post(f"{self._auth_url}/revoke", data=form, timeout=10).raise_for_status()
        self._forget()

    def close(self):
        """Close the connections."""
        self._http.close()

    def _send(self, path):
        return self._http.get(path, headers={"Authorization": f"Bearer {self._access_token}"})

    def _refresh(self):
        if self._refresh_token is None:
            raise SignedOut
        self._ask(grant_type="refresh_token", refresh_token=self._refresh_token)

    def _ask(self, **form):
        form["client_id"] = self._client_id  # an app keeps no secret: it is a public client
        answer = httpx.post(f"{self._auth_url}/token", data=form, timeout=10)
        if answer.status_code == httpx.codes.BAD_REQUEST:
            self._forget()
            raise SignedOut(answer.json()["error"])
        tokens = answer.raise_for_status().json()
        self._access_token, self._refresh_token = tokens["access_token"], tokens["refresh_token"]
        self._keep(self._refresh_token)  # at once: the old one is good no more

    def _forget(self):
        self._access_token = self._refresh_token = None
        self._keep(None)
