"""The certificate that a client shows: from the TLS layer, or from the header of a proxy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, cast, overload
from urllib.parse import unquote

import attrs

from oauthgrants.certificates import NotACertificate, from_base64, from_pem
from oauthgrants.events import logger

# sf-binary and parameters (RFC 8941, Section 3.3.5; RFC 9440, Section 2.1)
_BINARY = re.compile(r"[ \t]*:([A-Za-z0-9+/=]+):[ \t]*(?:;[^,]*)?")
# Key=Value of an element of X-Forwarded-Client-Cert, and what follows: the next one (;), another
# element (,), or nothing
_PAIR = re.compile(r'\s*([A-Za-z]+)=("(?:[^"\\]|\\.)*"[ \t]*|[^",;]*)([;,]|\Z)')
_ONCE = frozenset({"hash", "cert", "chain"})
_MOST_CHARACTERS = 32 * 1024
# Where web servers put the connection: gunicorn, and Werkzeug's for development.
_SOCKETS = ("gunicorn.socket", "werkzeug.socket")

Headers = Iterable[tuple[str, str]]


@attrs.frozen
class ShownCertificate:
    """
    What a client has shown.

    Attributes:
        octets: DER, None for no certificate.
        verified: Whether its chain leads to an authority that the web server or proxy trusts.
    """

    octets: bytes | None = attrs.field(default=None, repr=False)
    verified: bool = False


NOT_SHOWN = ShownCertificate()
"""Of a client without a certificate."""


@overload
def _to_lower(name: str) -> str: ...
@overload
def _to_lower(name: str | None) -> str | None: ...
def _to_lower(name: str | None) -> str | None:
    return None if name is None else name.lower()


@attrs.frozen(kw_only=True)
class CertificateHeader:
    """
    The header in which a proxy hands on the certificate that a client has shown to it.

    A proxy has to set it on every request, or to take away what the client sent of it. Make one
    by `client_cert`, `envoy` or `nginx`.

    Attributes:
        name: Of the field, in lower case.
        read: Returns the certificate that is in its values, DER; raises `NotACertificate` if
            none is.
        verified: Whether the proxy hands on only certificates whose chain it has verified.
        verdict: The field that says by ``SUCCESS`` that it has verified this one; None without.
    """

    name: str = attrs.field(converter=_to_lower)
    read: Callable[[list[str]], bytes] = attrs.field(repr=False)
    verified: bool = False
    verdict: str | None = attrs.field(default=None, converter=_to_lower)

    @classmethod
    def client_cert(cls, *, verified: bool = False) -> CertificateHeader:
        """
        Return the header ``Client-Cert`` (RFC 9440).

        Args:
            verified: Whether the proxy verifies chains, as ``tls_client_auth`` takes it.
        """
        return cls(name="Client-Cert", read=_read_binary, verified=verified)

    @classmethod
    def envoy(cls, *, verified: bool = False) -> CertificateHeader:
        """
        Return the header ``X-Forwarded-Client-Cert`` of Envoy, with ``Cert`` or ``Chain`` in it.

        It has one element, as ``SANITIZE_SET`` makes it. Where there are more, nobody can say
        which are of proxies: names in a client's certificate are not escaped.

        Args:
            verified: Whether the proxy verifies chains, as ``tls_client_auth`` takes it.
        """
        return cls(name="X-Forwarded-Client-Cert", read=_read_element, verified=verified)

    @classmethod
    def nginx(
        cls,
        name: str = "X-SSL-Client-Cert",
        *,
        verdict: str | None = "X-SSL-Client-Verify",
        verified: bool = False,
    ) -> CertificateHeader:
        """
        Return the header that nginx fills with ``$ssl_client_escaped_cert``.

        Others have the same under other names: PEM, with percent escapes.

        Args:
            name: Of the field.
            verdict: The one that nginx fills with ``$ssl_client_verify``.
            verified: Whether a proxy without *verdict* verifies chains.
        """
        return cls(name=name, read=_read_escaped, verdict=verdict, verified=verified)

    def find(self, headers: Headers) -> ShownCertificate:
        """
        Return what the proxy says of the client; no certificate, and a warning, if it is malformed.

        Args:
            headers: Of a request that comes from the proxy.
        """
        fields = [(name.lower(), value.strip()) for name, value in headers]
        values = [value for name, value in fields if name == self.name and value]
        if not values:
            return NOT_SHOWN
        try:
            octets = self.read(_bounded(values))
        except NotACertificate as error:
            logger.warning("no certificate in the header %s of a proxy: %s", self.name, error)
            return NOT_SHOWN
        verdicts = [value for name, value in fields if name == self.verdict]
        return ShownCertificate(octets, self.verified or verdicts == ["SUCCESS"])


def find_in_scope(scope: Mapping[str, Any]) -> ShownCertificate:
    """Return what an ASGI server says of the connection (the extension ``tls``)."""
    extensions = cast("Mapping[str, Any]", scope.get("extensions") or {})
    tls = cast("Mapping[str, Any]", extensions.get("tls") or {})
    for pem in tls.get("client_cert_chain") or ():
        # The first one is the client's.
        return _from_server(pem, verified=tls.get("client_cert_error", "") is None)
    return NOT_SHOWN


def find_in_environ(environ: Mapping[str, Any]) -> ShownCertificate:
    """Return what a WSGI server says of the connection, or Apache by ``SSLOptions``."""
    for name in _SOCKETS:
        shown = find_on_connection(environ.get(name))
        if shown.octets is not None:
            return shown
    pem = environ.get("SSL_CLIENT_CERT")
    if not pem:
        return NOT_SHOWN
    return _from_server(pem, verified=environ.get("SSL_CLIENT_VERIFY") == "SUCCESS")


def find_on_connection(connection: Any) -> ShownCertificate:
    """
    Return what the other end of *connection* has shown, which may be no TLS.

    The module ``ssl`` lets no certificate pass whose chain it has not verified.
    """
    ask = getattr(connection, "getpeercert", None)
    if ask is None:
        return NOT_SHOWN
    try:
        octets = cast("bytes | None", ask(True))
    except (OSError, ValueError):  # the connection is gone
        return NOT_SHOWN
    return ShownCertificate(octets, octets is not None)


def _from_server(pem: Any, *, verified: bool) -> ShownCertificate:
    try:
        return ShownCertificate(from_pem(str(pem)), verified)
    except NotACertificate as error:
        logger.warning("no certificate in what the web server says: %s", error)
        return NOT_SHOWN


def _bounded(values: list[str]) -> list[str]:
    if sum(map(len, values)) > _MOST_CHARACTERS:
        raise NotACertificate("it is too long")
    return values


def _read_binary(values: list[str]) -> bytes:
    match = _BINARY.fullmatch(values[0])
    if len(values) > 1 or match is None:
        raise NotACertificate("it is no byte sequence (RFC 9440, 2.1)")
    return from_base64(match[1])


def _read_escaped(values: list[str]) -> bytes:
    pem = unquote(",".join(values))
    # A WSGI server has joined those of several fields; one of them is the client's word.
    if pem.count("-----BEGIN ") > 1:
        raise NotACertificate("it is repeated")
    return from_pem(pem)


def _read_element(values: list[str]) -> bytes:
    members: dict[str, str] = {}
    text, position, follows = ",".join(values), 0, ";"
    while follows:
        match = _PAIR.match(text, position)
        if match is None:
            raise NotACertificate("an element is malformed")
        name, value, follows = match[1].lower(), match[2].strip().strip('"'), match[3]
        if follows == ",":
            raise NotACertificate("there is more than one element")
        if name in members and name in _ONCE:
            raise NotACertificate("a member is repeated")
        members[name] = value
        position = match.end()
    found = {from_pem(unquote(members[name])) for name in ("cert", "chain") if members.get(name)}
    if not found:
        raise NotACertificate("there is neither Cert nor Chain")
    certificate = found.pop()
    digest = sha256(certificate).hexdigest()
    if found or members.get("hash", digest).lower() != digest:
        raise NotACertificate("there is more than one certificate")
    return certificate
