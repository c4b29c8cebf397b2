"""Where a request has its access token (RFC 6750, 2; RFC 9449, 7.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

from oauthgrants.brief import brief, service
from oauthgrants.errors import InvalidRequest, InvalidToken, MissingToken
from oauthgrants.forms import Limits, decode_form_text, is_vschar
from oauthgrants.secret import Secret
from oauthgrants.wire import HttpRequest

# credentials = ( "Bearer" / "DPoP" ) 1*SP b64token
# with b64token as 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
_CREDENTIALS = re.compile(r"((?i:bearer|dpop)) +([A-Za-z0-9._~+/-]+=*)", re.ASCII)
# The scheme ends where no tchar follows (RFC 9110, Section 5.6.2).
_SCHEME = re.compile(r"(bearer|dpop)(?![A-Za-z0-9!#$%&'*+.^_`|~-])", re.ASCII | re.IGNORECASE)
_DPOP_LETTERS = 4
_FORM = "application/x-www-form-urlencoded"
_WITH_FORMS = frozenset({"POST", "PUT", "PATCH"})
_PARAMETER = "access_token"
_PRIVATE = (("Cache-Control", "private"),)


@brief
class PresentedToken:
    """
    A token as it came, not checked.

    Attributes:
        value: The token.
        response_headers: What a successful response has to carry.
        by_dpop: Whether it came by the scheme ``DPoP``, with a proof beside it.
    """

    value: Secret
    response_headers: tuple[tuple[str, str], ...] = ()
    by_dpop: bool = False


@service(kw_only=True)
class BearerReader:
    """
    Reads the token of a request.

    Attributes:
        allow_body: Whether it may be in a form (RFC 6750, 2.2).
        allow_query: Whether it may be in the URL (2.3).
        allow_dpop: Whether the scheme ``DPoP`` is known (RFC 9449, 7.1).
        limits: How long it may be, and the body that it is in.
    """

    allow_body: bool
    allow_query: bool
    allow_dpop: bool = False
    limits: Limits

    def require_token(self, request: HttpRequest) -> PresentedToken:
        """
        Return the token of *request*.

        Raises:
            InvalidRequest: It is sent twice, or not in the way that it has to be.
            InvalidToken: It is not what a token can be.
            MissingToken: There is none.
        """
        found = self._in_header(request)
        if self.allow_body:
            found += self._in_body(request)
        if self.allow_query:
            found += self._in_query(request)
        if not found:
            raise MissingToken("there is no access token")
        if len(found) > 1:
            raise InvalidRequest("the access token is sent more than once")
        return found[0]

    def _in_header(self, request: HttpRequest) -> list[PresentedToken]:
        authorization = request.find_header("authorization", self.limits)
        if authorization is None:
            return []
        match = _CREDENTIALS.fullmatch(authorization) or _SCHEME.match(authorization)
        if match is None:
            return []
        by_dpop = len(match[1]) == _DPOP_LETTERS
        if by_dpop and not self.allow_dpop:
            return []
        if match.re is _SCHEME:
            raise InvalidRequest("the Authorization header is malformed")
        return [PresentedToken(Secret(match[2]), by_dpop=by_dpop)]

    def _in_body(self, request: HttpRequest) -> Iterator[PresentedToken]:
        media_types = request.get_headers("content-type")
        if (
            request.method in _WITH_FORMS
            and len(media_types) == 1
            and media_types[0].partition(";")[0].strip().lower() == _FORM
            and request.body.isascii()
        ):
            if len(request.body) > self.limits.body:
                raise InvalidRequest("the body is too large")
            for value in self._find_values(request.body.decode("ascii")):
                yield PresentedToken(value)

    def _in_query(self, request: HttpRequest) -> Iterator[PresentedToken]:
        query = request.url.partition("?")[2].partition("#")[0]
        for value in self._find_values(query):
            yield PresentedToken(value, _PRIVATE)

    def _find_values(self, text: str) -> Iterator[Secret]:
        # The other parameters are the host's: how it reads them is for the host to say.
        pairs = (pair.partition("=") for pair in text.split("&"))
        values = [
            decode_form_text(value) for name, _, value in pairs if unquote_plus(name) == _PARAMETER
        ]
        if len(values) > 1:
            raise InvalidRequest("the parameter access_token is repeated")
        for value in filter(None, values):
            if len(value) > self.limits.header_value:
                raise InvalidRequest("the parameter access_token is too long")
            if not is_vschar(value):
                raise InvalidToken("the access token is malformed")
            yield Secret(value)
