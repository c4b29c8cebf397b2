"""What every adapter has to do with the certificates that proxies hand on, as tests to inherit."""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar
from unittest import SkipTest

from oauthgrants.adapters.certificates import CertificateHeader
from oauthgrants.adapters.proxies import TrustedProxies
from oauthgrants.certificates import from_base64
from oauthgrants.testing.inherited_tests import InheritedTests
from oauthgrants.wire import HttpRequest

# RFC 8705, Appendix A
_BASE64 = (
    "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMz"
    "cwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW"
    "9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1"
    "E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY="
)
_CLIENT_CERT = ("Client-Cert", f":{_BASE64}:")
_ELSEWHERE = ["192.0.2.0/24"]


class CertificateContract(InheritedTests, ABC):
    """
    The tests, a part of the contract of adapters.

    Attributes:
        peer: The address that requests come from.
        takes_certificates: Whether ``mount`` hands on `TrustedProxies` as they are; where it
            cannot, since the adapter runs in another process, those tests are skipped.
    """

    peer: ClassVar[str] = "127.0.0.1"
    takes_certificates: ClassVar[bool] = True

    @abstractmethod
    def _echo(self, *, headers: Any = (), trusted_proxies: Any = ()) -> HttpRequest: ...

    def _echo_behind(self, *entries: str, header: tuple[str, str] = _CLIENT_CERT) -> HttpRequest:
        """Return what comes from a proxy at one of *entries* that may hand on certificates."""
        if not self.takes_certificates:
            raise SkipTest("the adapter runs elsewhere, and is told of addresses alone")
        proxies = TrustedProxies.parse(
            entries, certificates=CertificateHeader.client_cert(verified=True)
        )
        return self._echo(headers=[header], trusted_proxies=proxies)

    def test_a_certificate_in_a_header_is_ignored_by_default(self) -> None:
        """Anybody can send one (RFC 9700, 4.13)."""
        echo = self._echo(headers=[_CLIENT_CERT])

        assert (echo.client_certificate, echo.client_certificate_verified) == (None, False)

    def test_a_trusted_proxy_says_in_which_header_certificates_come(self) -> None:
        """Where none is named, the proxy lets all of them pass."""
        echo = self._echo(headers=[_CLIENT_CERT], trusted_proxies=[self.peer])

        assert (echo.client_certificate, echo.client_certificate_verified) == (None, False)

    def test_certificates_of_others_than_the_trusted_proxy_are_ignored(self) -> None:
        """That some proxy is trusted does not make everybody a proxy."""
        echo = self._echo_behind(*_ELSEWHERE)

        assert (echo.client_certificate, echo.client_certificate_verified) == (None, False)

    def test_a_trusted_proxy_hands_on_certificates(self) -> None:
        """DER, and what the host says of their chains."""
        echo = self._echo_behind(self.peer)

        assert echo.client_certificate == from_base64(_BASE64)
        assert echo.client_certificate_verified

    def test_a_malformed_certificate_is_none(self) -> None:
        """The request goes on without: most need none."""
        echo = self._echo_behind(self.peer, header=("Client-Cert", ":AAAA:"))

        assert (echo.client_certificate, echo.client_certificate_verified) == (None, False)
