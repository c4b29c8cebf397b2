"""Signing keys on disk: one in a file, or several that take turns in a directory."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkstemp
from typing import Any

import attrs
from cryptography.exceptions import UnsupportedAlgorithm

from oauthgrants.jose import PublicKey, SigningKey
from oauthgrants.keys import KeySource

_logger = logging.getLogger("oauthgrants")

_FILE = "keys.json"
_UNFINISHED = ".unfinished-"
# For tokens that a server signs with the old key while that is being replaced.
_MARGIN = timedelta(minutes=1)


def open_keys(path: Path, algorithm: str) -> KeySource | SigningKey:
    """
    Return the keys at *path*: of a directory, or the one in a PEM file.

    A file that does not exist is made, with a new key for *algorithm* and mode 0600.

    Args:
        path: A file, or a directory that `KeyDirectory.make` made.
        algorithm: The file's; a directory knows that of each of its keys.

    Raises:
        ValueError: There is no usable key at *path*.
        OSError: *path* cannot be read or written.
    """
    if path.is_dir():
        return KeyDirectory(path)
    if not path.exists():
        # Of two that come at once, both read what the first has written.
        with suppress(FileExistsError):
            _write(path, SigningKey.generate(algorithm).to_pem(), replace=False)
    return _read_pem(path.read_bytes(), algorithm)


@attrs.frozen(kw_only=True)
class KeyEntry:
    """
    One of the keys of a directory.

    Attributes:
        key: Signs or has signed.
        created_at: Aware, in UTC, in whole seconds.
        keep_until: When the last token signed with it has expired; None while it signs.
    """

    key: SigningKey
    created_at: datetime
    keep_until: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Return whether no token signed with it is left."""
        return self.keep_until is not None and self.keep_until <= now


@attrs.frozen
class _Content:
    """What the file of a directory held, and by which it is known again."""

    stamp: tuple[int, int, int]
    entries: tuple[KeyEntry, ...]


class KeyDirectory:
    """
    Keys in a directory; processes that use it see a rotation at their next token.

    They are in one file, ``keys.json`` of mode 0600, which is replaced whole: whoever reads it,
    at whatever moment, finds either the keys from before a change or those from after it.
    """

    def __init__(self, path: Path) -> None:
        """
        Open the directory at *path*.

        Raises:
            ValueError: It holds no keys, or unusable ones; `make` makes it.
            OSError: It cannot be read.
        """
        self._path = path
        self._file = path / _FILE
        # Replaced as one, so that threads never see the keys of one file with the stamp of another.
        self._content = self._read()
        self._trouble = ""

    @classmethod
    def make(
        cls, path: Path, algorithm: str = "ES256", *, now: datetime | None = None
    ) -> KeyDirectory:
        """
        Return a directory with a first key; it is made, mode 0700, if it does not exist.

        Raises:
            ValueError: *algorithm* is not one of ours.
            FileExistsError: There are keys already.
            OSError: *path* cannot be written.
        """
        key = SigningKey.generate(algorithm)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700, parents=True)
        with _locked(path):
            if (path / _FILE).exists():
                raise FileExistsError(f"{path} has keys already; rotate them")
            _write_entries(path / _FILE, [KeyEntry(key=key, created_at=_whole(now))])
        return cls(path)

    @property
    def entries(self) -> tuple[KeyEntry, ...]:
        """The keys, the one that signs first."""
        return self._fresh().entries

    def rotate(
        self, *, keep: timedelta, algorithm: str | None = None, now: datetime | None = None
    ) -> KeyEntry:
        """
        Make a key that signs from now on, and return its entry.

        Args:
            keep: How long the key before it still verifies: at least as long as the longest
                access token lives. A minute is added, for tokens that are on their way.
            algorithm: The new key's; by default as before.
            now: For tests.

        Raises:
            ValueError: *algorithm* is not one of ours, or there are no usable keys.
            OSError: The directory cannot be written.
        """
        with _locked(self._path):
            signing, *retired = self._read().entries
            key = SigningKey.generate(algorithm or signing.key.algorithm)
            # Not before: to wait for others and to make a key can take a while.
            at = _whole(now)
            new = KeyEntry(key=key, created_at=at)
            before = attrs.evolve(signing, keep_until=at + keep + _MARGIN)
            kept = [entry for entry in retired if not entry.is_over(at)]
            _write_entries(self._file, [new, before, *kept])
        return new

    def signing_key(self) -> SigningKey:
        """Return the key that signs now."""
        return self._fresh().entries[0].key

    def public_keys(self, now: datetime) -> list[PublicKey]:
        """Return the keys that still verify: the one that signs, then those with live tokens."""
        return [entry.key.public for entry in self._fresh().entries if not entry.is_over(now)]

    def note_expiry(self, kid: str, expires_at: datetime) -> None:
        """Do nothing: how long a key is kept is said when it is rotated."""

    def _fresh(self) -> _Content:
        """Return what the file holds; if it cannot be read, what it held."""
        content = self._content
        try:
            if _stamp_of(self._file.stat()) != content.stamp:
                self._content = content = self._read()
            self._trouble = ""
        except (OSError, ValueError) as error:
            # Servers go on. Said once, and not at every token.
            trouble = str(error)
            if trouble != self._trouble:
                self._trouble = trouble
                _logger.warning("the signing keys stay as they were: %s", trouble)
        return content

    def _read(self) -> _Content:
        try:
            # Of the file that is read, and not of one that has replaced it since.
            with self._file.open("rb") as file:
                stamp, text = _stamp_of(os.fstat(file.fileno())), file.read()
        except FileNotFoundError:
            raise ValueError(
                f"{self._path} has no keys; `oauthgrants keys make` makes them"
            ) from None
        try:
            return _Content(stamp, _parse_entries(text))
        except (
            LookupError,
            TypeError,
            AttributeError,
            ValueError,
            ArithmeticError,
            RecursionError,
        ):
            # Nothing of what it holds is for anybody to see.
            raise ValueError(f"{self._file} does not hold keys as we write them") from None


def _parse_entries(text: bytes) -> tuple[KeyEntry, ...]:
    signing, *retired = (_to_entry(members) for members in json.loads(text)["keys"])
    entries = (signing, *retired)
    if signing.keep_until is not None or any(entry.keep_until is None for entry in retired):
        raise ValueError("one key signs, the first one")
    if len({entry.key.kid for entry in entries}) < len(entries):
        raise ValueError("each key has a name of its own")
    return entries


def _to_entry(members: dict[str, Any]) -> KeyEntry:
    kid, until = members["kid"], members["keep_until"]
    if not (isinstance(kid, str) and kid and kid.isascii() and kid.isprintable()):
        raise ValueError("a name has to be printable")
    return KeyEntry(
        key=_read_pem(members["pem"].encode(), members["alg"], kid=kid),
        created_at=datetime.fromtimestamp(members["created_at"], UTC),
        keep_until=None if until is None else datetime.fromtimestamp(until, UTC),
    )


def _read_pem(pem: bytes, algorithm: str, *, kid: str | None = None) -> SigningKey:
    try:
        return SigningKey.from_pem(pem, algorithm, kid=kid)
    except (KeyError, UnsupportedAlgorithm):
        raise ValueError(f"the key is on a curve that {algorithm} does not have") from None


def _write_entries(path: Path, entries: list[KeyEntry]) -> None:
    keys = [
        {
            "kid": entry.key.kid,
            "alg": entry.key.algorithm,
            "created_at": int(entry.created_at.timestamp()),
            "keep_until": entry.keep_until and int(entry.keep_until.timestamp()),
            "pem": entry.key.to_pem().decode(),
        }
        for entry in entries
    ]
    _write(path, json.dumps({"keys": keys}, indent=2).encode() + b"\n", replace=True)


def _whole(now: datetime | None) -> datetime:
    return (now or datetime.now(UTC)).replace(microsecond=0)


def _stamp_of(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_ino, status.st_size


def _write(path: Path, content: bytes, *, replace: bool) -> None:
    """Write the file at *path*, mode 0600, so that a crash leaves the old one, or the new."""
    # mkstemp makes files that nobody else can read.
    descriptor, temporary = mkstemp(prefix=_UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(temporary).replace(path)
        else:
            os.link(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    if sys.platform == "win32":  # there, a directory cannot be opened
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Keep other processes from changing the keys at *path* at the same time."""
    try:
        from fcntl import LOCK_EX, flock
    except ModuleNotFoundError:
        raise OSError("a directory of keys needs the file locks of POSIX") from None

    lock = os.open(path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        flock(lock, LOCK_EX)
        # Whoever was killed at writing them has left the lock too.
        for unfinished in path.glob(f"{_UNFINISHED}*"):
            unfinished.unlink(missing_ok=True)
        yield
    finally:
        os.close(lock)
