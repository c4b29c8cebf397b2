"""The URL that says where a server keeps its tokens."""

from __future__ import annotations

from urllib.parse import urlsplit

import attrs

from oauthgrants.cli import schema
from oauthgrants.cli.errors import ConfigError

# As SQLAlchemy and redis-py name them, by the names that people give them
_SCHEMES = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "redis": "redis",
    "rediss": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
}
_KNOWN = (
    "memory:, or a URL that begins with sqlite:///, postgresql://, redis://, rediss://, "
    "valkey:// or valkeys://"
)


@attrs.frozen(kw_only=True)
class StoreUrl:
    """
    Where tokens are kept.

    Attributes:
        scheme: ``memory``, ``sqlite``, ``postgresql+psycopg``, ``redis`` or ``rediss``.
        rest: What follows it; may have a password in it.
    """

    scheme: str
    rest: str = attrs.field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> StoreUrl:
        """
        Return what *text* says.

        Raises:
            ValueError: It is none of the URLs that there are. Nothing of it is in the message.

        >>> str(StoreUrl.parse("postgresql://oauth:wonderland@db.example.com/tokens"))
        'postgresql+psycopg://oauth:…@db.example.com/tokens'
        """
        if text == "memory:":
            return MEMORY
        scheme, found, rest = text.partition("://")
        if not found or scheme not in _SCHEMES:
            raise ValueError(f"has to be {_KNOWN}")
        if not text.isprintable():
            raise ValueError("has a character that no URL should have")
        url = cls(scheme=_SCHEMES[scheme], rest=rest)
        (_require_file if url.scheme == "sqlite" else _require_authority)(rest)
        return url

    @property
    def has_tables(self) -> bool:
        """Whether it is that of an SQL database."""
        return self.scheme in {"sqlite", "postgresql+psycopg"}

    def reveal(self) -> str:
        """Return the whole of it, for the library that connects."""
        return f"{self.scheme}://{self.rest}"

    def __str__(self) -> str:
        """Return what can be shown: neither password nor settings, which may have one."""
        if self == MEMORY:
            return "memory:"
        shown = self.rest.partition("?")[0]
        user, found, place = shown.rpartition("@")
        name, hidden, _ = user.partition(":")
        return f"{self.scheme}://{name}{':…' if hidden else ''}{found}{place}"


MEMORY = StoreUrl(scheme="memory")
"""The store of a server whose file names none."""


def store_url(key: str, value: object) -> StoreUrl:
    """Return *value*, the URL of a store."""
    text = schema.text(key, value)
    try:
        return StoreUrl.parse(text)
    except ValueError as error:
        raise ConfigError(key, str(error)) from None


def _require_file(rest: str) -> None:
    """Check that a SQLite database is a file: one in memory is another one for each thread."""
    path = rest.partition("?")[0]
    if not path.startswith("/") or path in {"/", "/:memory:"} or path.startswith("/file:"):
        raise ValueError("has to name a file: sqlite:///oauth.db, or sqlite:////var/lib/oauth.db")


def _require_authority(rest: str) -> None:
    """Check that all libraries find the same user, password, host and port in *rest*."""
    try:
        url = urlsplit(f"//{rest}")
        sound = url.port != 0 and url.netloc.count("@") <= 1 and not url.fragment
    except ValueError:
        sound = False
    if not sound or " " in rest:
        raise ValueError(
            "is not the URL of a server; what else than letters, digits and -._~ a name or "
            "password has is percent-encoded"
        )
