"""TLS for ``oauthgrants serve``, and the certificates that clients show in it (RFC 8705)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import attrs

from oauthgrants import Client
from oauthgrants.adapters.certificates import ShownCertificate, find_on_connection
from oauthgrants.certificates import all_from_pem, read_certificate
from oauthgrants.cli.errors import ConfigError
from oauthgrants.client_certificates import (
    CERTIFICATE_METHODS,
    SELF_SIGNED,
    TLS_CLIENT_AUTH,
    registered_certificates,
)


@attrs.frozen(kw_only=True)
class Tls:
    """
    How connections are secured.

    Attributes:
        context: Lets no certificate pass but those of the authorities, and the registered ones.
        authorities: Who issues certificates for ``tls_client_auth``, DER.
    """

    context: ssl.SSLContext = attrs.field(repr=False)
    authorities: tuple[bytes, ...] = attrs.field(default=(), repr=False)

    def secure(
        self, connection: socket.socket, patience: float
    ) -> tuple[ssl.SSLSocket, ShownCertificate]:
        """
        Return *connection* in TLS, and what the client has shown.

        Args:
            connection: Taken over, and closed if it comes to nothing.
            patience: Seconds in which the handshake has to end.

        Raises:
            OSError: It does not, or the client has shown a certificate that is not known.
        """
        connection.settimeout(patience)
        secured = self.context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        try:
            secured.do_handshake()
            octets = find_on_connection(secured).octets
        except BaseException:
            secured.close()
            raise
        return secured, ShownCertificate(octets, octets is not None and self._is_issued(octets))

    def _is_issued(self, octets: bytes) -> bool:
        """
        Return whether an authority has issued a certificate that the handshake let pass.

        The context also trusts the certificates that clients have made themselves. None of them
        may speak for another client, and nothing that was signed with their keys.
        """
        return any(_is_issued_by(octets, authority) for authority in self.authorities)


def read_tls(values: Mapping[str, Any], directory: Path, clients: Iterable[Client]) -> Tls | None:
    """
    Return what the table ``[tls]`` describes, None without.

    Args:
        values: The whole file, read.
        directory: Where relative paths begin.
        clients: Those in the file.

    Raises:
        ConfigError: A file cannot be read, or does not fit the others; or a client cannot show
            the certificate that it authenticates by.
    """
    settings = values.get("tls")
    ours = list(clients)
    _require_what_clients_take(settings or {}, ours)
    if settings is None:
        return None
    issuer: str = values["issuer"]
    if urlsplit(issuer).scheme != "https":
        raise ConfigError("issuer", "has to be an https URL, as there is [tls]")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = directory / settings["certificate"], directory / settings["key"]
    try:
        # Nobody is asked for the password of a key.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        _refuse("certificate", "or tls.key cannot be used", error)
    authorities: tuple[bytes, ...] = ()
    if "client_ca" in settings:
        authorities = _read_authorities(directory / settings["client_ca"])
    trusted = set(authorities)
    if settings.get("self_signed_clients"):
        trusted.update(_find_self_signed(ours))
    if "client_ca" in settings or settings.get("self_signed_clients"):
        # Clients with other methods need none.
        context.verify_mode = ssl.CERT_OPTIONAL
        # Each is trusted for itself, be it self-signed or issued by somebody.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if trusted:
        context.load_verify_locations(cadata=b"".join(sorted(trusted)))
    return Tls(context=context, authorities=authorities)


def _require_what_clients_take(settings: Mapping[str, Any], clients: Iterable[Client]) -> None:
    takes = {TLS_CLIENT_AUTH: "client_ca", SELF_SIGNED: "self_signed_clients"}
    for index, client in enumerate(clients):
        method = client.token_endpoint_auth_method
        key = f"clients[{index}].token_endpoint_auth_method"
        if method in CERTIFICATE_METHODS and not settings.get(takes[method]):
            raise ConfigError(key, f"{method} takes [tls] with {takes[method]}")
        if method == SELF_SIGNED and client.jwks_uri is not None:
            raise ConfigError(
                f"clients[{index}].jwks_uri",
                f"does not go with {SELF_SIGNED} here: the handshake knows the certificates in "
                "this file alone, as x5c in jwks",
            )


def _find_self_signed(clients: Iterable[Client]) -> Iterable[bytes]:
    for client in clients:
        if client.token_endpoint_auth_method == SELF_SIGNED:
            yield from registered_certificates(client.jwks or "")


def _read_authorities(path: Path) -> tuple[bytes, ...]:
    try:
        return tuple(all_from_pem(path.read_text("ascii")))
    except OSError as error:
        _refuse("client_ca", "cannot be read", error)
    except ValueError as error:
        raise ConfigError("tls.client_ca", f"has to be of certificates in PEM: {error}") from None


def _refuse(name: str, what: str, error: OSError) -> NoReturn:
    why = getattr(error, "reason", None) or error.strerror or "it is not what it has to be"
    raise ConfigError(f"tls.{name}", f"{what}: {why}") from None


def _is_issued_by(octets: bytes, authority: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        read_certificate(octets).verify_directly_issued_by(read_certificate(authority))
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True
