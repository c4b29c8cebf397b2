"""An adapter for Bottle, whole: copy it, or write the one for your framework after it."""

from functools import wraps

from bottle import HTTPResponse, request, response

from oauthgrants import OAuthError
from oauthgrants.adapters.places import find_places, find_prefix
from oauthgrants.adapters.wsgi import WsgiApplication
from oauthgrants.adapters.wsgi_guard import WsgiGuard

PENDING = "oauthgrants.response_headers"


class BottleOAuth:
    """Serves the endpoints in a Bottle application, and guards its routes."""

    def __init__(self, server=None, resource_server=None, *, prefix=None, trusted_proxies=()):
        """
        Make an adapter.

        Args:
            server: An `AuthorizationServer`, None for a resource server alone.
            resource_server: A `ResourceServer`, None without guards.
            prefix: What stands before the paths of the endpoints: the issuer's path by default,
                less in an application that is mounted below a prefix itself.
            trusted_proxies: As for `WsgiRequests`.
        """
        self._prefix = find_prefix(server, prefix)
        self._endpoints = [
            (WsgiApplication(part, trusted_proxies=trusted_proxies), find_places(part))
            for part in (server, resource_server)
            if part is not None
        ]
        self._guard = None
        if resource_server is not None:
            self._guard = WsgiGuard(resource_server, trusted_proxies=trusted_proxies)

    def init_app(self, app):
        """Add the endpoints to *app*, for all methods: the server says which."""
        for application, places in self._endpoints:
            for place in places:
                path = place.under(self._prefix)
                app.route(path, method="ANY", callback=_answer_with(application))
        app.add_hook("after_request", _add_headers)

    def require_token(self, *, scope=None, any_scope=None):
        """Return a decorator for callbacks, which find the token in ``request.oauth_token``."""
        guard = self._require_guard()

        def decorate(callback):
            @wraps(callback)
            def guarded(*args, **kwargs):
                try:
                    token = guard.verify(request.environ, scope=scope, any_scope=any_scope)
                except OAuthError as error:
                    return self.render(error)
                request["bottle.request.ext.oauth_token"] = token
                request[PENDING] = token.response_headers
                return callback(*args, **kwargs)

            return guarded

        return decorate

    def render(self, error):
        """Return *error* as a response, for error handlers of the host's own."""
        return _respond(self._require_guard().resource_server.render(error))

    def _require_guard(self):
        if self._guard is None:
            raise RuntimeError("nothing checks tokens here: give BottleOAuth a resource server")
        return self._guard


def _answer_with(application):
    def answer():
        environ = request.environ
        if "bottle.request.body" in environ:  # a hook has read the form: the octets are kept
            environ = {**environ, "wsgi.input": request.body}
        return _respond(application.answer(environ))

    return answer


def _respond(answer):
    made = HTTPResponse(answer.body, answer.status)
    for name, value in answer.framed_headers:
        made.add_header(name, value)
    return made


def _add_headers():
    """Add what the token's check has for the response, whatever the callback has made of it."""
    for name, value in request.get(PENDING) or ():
        response.add_header(name, value)
