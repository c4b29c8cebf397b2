"""``tls_client_auth`` and ``self_signed_tls_client_auth``: the client shows a certificate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import attrs

from oauthgrants.certificates import NotACertificate, read_certificate, thumbprint
from oauthgrants.client_auth.assertion_rules import NotProven
from oauthgrants.client_auth.credentials import Credentials
from oauthgrants.client_auth.keys import ClientKeys
from oauthgrants.client_certificates import (
    CERTIFICATE_METHODS,
    SELF_SIGNED,
    SUBJECTS,
    parse_address,
)
from oauthgrants.clients import Client
from oauthgrants.distinguished_names import name_of, parse_name
from oauthgrants.forms import Form, is_absolute_uri
from oauthgrants.ports import Clock
from oauthgrants.wire import HttpRequest

if TYPE_CHECKING:
    # Only for annotations: servers without such clients never load it.
    from cryptography.x509 import Certificate, GeneralName

_ALIASES = ("token_endpoint", "introspection_endpoint", "revocation_endpoint")


@attrs.frozen(kw_only=True)
class MutualTls:
    """
    Says that clients can show certificates to this server (RFC 8705).

    The web server asks for them, and the adapter hands them over. Everything else is in the
    registration of each client.

    Attributes:
        endpoint_aliases: The URLs of the endpoints for clients that show one, if that is
            another host, by the names ``token_endpoint``, ``introspection_endpoint`` and
            ``revocation_endpoint`` (RFC 8705, 5). Requests have to arrive at the endpoints' own
            paths.

    Raises:
        ValueError: A name is not one of these, or a URL is not https.

    >>> MutualTls(endpoint_aliases={"token_endpoint": "https://mtls.example.com/token"})
    MutualTls(endpoint_aliases={'token_endpoint': 'https://mtls.example.com/token'})
    """

    endpoint_aliases: Mapping[str, str] = attrs.field(factory=dict[str, str])

    def __attrs_post_init__(self) -> None:
        for name, url in self.endpoint_aliases.items():
            if name not in _ALIASES:
                raise ValueError(f"endpoint_aliases has {name!r}; there are {', '.join(_ALIASES)}")
            if not is_absolute_uri(url) or not _is_https(url):
                raise ValueError(f"endpoint_aliases: {name} has to be an https URL (RFC 8705, 5)")


def mutual_tls_members(settings: MutualTls | None, methods: Collection[str]) -> dict[str, Any]:
    """
    Return what the metadata say of it (RFC 8705, 3.3 and 5); nothing on a server without.

    Args:
        settings: The server's.
        methods: The client authentication methods that are enabled.
    """
    if settings is None and not CERTIFICATE_METHODS.intersection(methods):
        return {}
    return {
        "tls_client_certificate_bound_access_tokens": True,
        "mtls_endpoint_aliases": dict(settings.endpoint_aliases) if settings else {},
    }


def read_certificate_of(request: HttpRequest, form: Form) -> Credentials | None:
    """
    Return who shows the certificate of *request*, None if there is none or nobody says.

    The method is what the client is registered with, so it is not known yet.

    Raises:
        InvalidRequest: A character of ``client_id`` is not VSCHAR.
    """
    client_id = form.get("client_id")
    if client_id is None or request.client_certificate is None:
        return None
    return Credentials(
        client_id=client_id,
        method="none",
        certificate=request.client_certificate,
        certificate_verified=request.client_certificate_verified,
    )


@attrs.frozen(kw_only=True)
class CertificateVerifier:
    """
    Compares certificates with what clients are registered with.

    That a client has the private key is what the handshake has proven.

    Attributes:
        keys: Finds those of ``self_signed_tls_client_auth``.
        clock: Tells the time.
    """

    keys: ClientKeys[bytes]
    clock: Clock

    async def verify(self, client: Client, credentials: Credentials) -> str:
        """
        Return the ``x5t#S256`` of the certificate, once it is known to be of *client*.

        Args:
            client: With one of the two methods.
            credentials: What it shows.

        Raises:
            NotProven: It shows none, or another one than the registered.
            ModuleNotFoundError: The certificates have to be fetched, and httpx is missing.
            UnusableAnswer: They cannot be fetched.
        """
        if credentials.certificate is None:
            raise NotProven("there is no client certificate")
        try:
            certificate = read_certificate(credentials.certificate)
        except NotACertificate as error:
            raise NotProven(str(error)) from None
        if client.token_endpoint_auth_method == SELF_SIGNED:
            await self._require_registered(client, credentials.certificate, certificate)
        else:
            _require_subject(client, certificate, verified=credentials.certificate_verified)
        return thumbprint(credentials.certificate)

    async def _require_registered(
        self, client: Client, octets: bytes, certificate: Certificate
    ) -> None:
        if octets not in await self._find_registered(client, octets):
            raise NotProven("the certificate is not a registered one")
        # Nobody validates a chain (2.2), but the certificate says how long it is good.
        if not certificate.not_valid_before_utc <= self.clock() <= certificate.not_valid_after_utc:
            raise NotProven("the certificate has expired, or is not valid yet")

    async def _find_registered(self, client: Client, octets: bytes) -> tuple[bytes, ...]:
        source = self.keys.of(client)
        known = await source.get()
        return known if octets in known else await source.get_newer(known)


def _require_subject(client: Client, certificate: Certificate, *, verified: bool) -> None:
    if not verified:
        raise NotProven("the web server has not verified the certificate's chain")
    try:
        if name_of(certificate.issuer) == name_of(certificate.subject):
            # One that was put among the authorities would speak for whomever it names.
            raise NotProven("the certificate is self-signed")
        [(name, registered)] = (
            (name, text) for name in SUBJECTS if (text := getattr(client, name)) is not None
        )
        matches = _MATCHES[name](certificate, registered)
    except (TypeError, ValueError):  # the first for a name of bits
        raise NotProven("the certificate is malformed") from None
    if not matches:
        raise NotProven(f"the certificate does not have the registered {name}")


def _has_subject(certificate: Certificate, registered: str) -> bool:
    return name_of(certificate.subject) == parse_name(registered)


def _has_dns(certificate: Certificate, registered: str) -> bool:
    from cryptography.x509 import DNSName

    names = filter(str.isascii, _alternative_names(certificate, DNSName))
    # Outside ASCII there are characters whose lower case is in it, such as the Kelvin sign.
    return registered.lower() in map(str.lower, names)


def _has_uri(certificate: Certificate, registered: str) -> bool:
    from cryptography.x509 import UniformResourceIdentifier

    return registered in _alternative_names(certificate, UniformResourceIdentifier)


def _has_ip(certificate: Certificate, registered: str) -> bool:
    from cryptography.x509 import IPAddress

    return parse_address(registered) in _alternative_names(certificate, IPAddress)


def _has_email(certificate: Certificate, registered: str) -> bool:
    from cryptography.x509 import RFC822Name

    names = filter(str.isascii, _alternative_names(certificate, RFC822Name))
    return _fold_host(registered) in map(_fold_host, names)


def _alternative_names(certificate: Certificate, kind: type[GeneralName]) -> list[Any]:
    """
    Return the subject alternative names of one *kind*, none without the extension.

    Raises:
        ValueError: The extensions are malformed.
    """
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise ValueError from None
    # The values are of as many types as there are kinds.
    return cast("Any", found.value).get_values_for_type(kind)  # type: ignore[no-any-return]


def _fold_host(address: str) -> tuple[str, str]:
    # Letter case does not matter in the host, but may before it (RFC 5280, 7.5).
    name, _, host = address.rpartition("@")
    return name, host.lower()


def _is_https(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and bool(parts.hostname)


_MATCHES: Mapping[str, Callable[[Certificate, str], bool]] = dict(
    zip(SUBJECTS, (_has_subject, _has_dns, _has_uri, _has_ip, _has_email), strict=True)
)
