"""``oauthgrants keys``: makes, lists and rotates the signing keys of a directory."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from oauthgrants.cli.errors import CommandError, UsageError
from oauthgrants.jose import ALGORITHMS
from oauthgrants.key_files import KeyDirectory, KeyEntry


def make_keys(path: Path, algorithm: str) -> str:
    """
    Return the keys of the directory at *path*, made with a first one.

    Raises:
        UsageError: *algorithm* is not one of ours.
        CommandError: There are keys already, or it cannot be written.
    """
    _require_algorithm(algorithm)
    with _explained(path):
        return _table(KeyDirectory.make(path, algorithm).entries)


def list_keys(path: Path) -> str:
    """
    Return the keys of the directory at *path*, a line each.

    Raises:
        CommandError: There are none, or they cannot be read.
    """
    with _explained(path):
        return _table(KeyDirectory(path).entries)


def rotate_keys(path: Path, algorithm: str | None, keep: timedelta) -> str:
    """
    Return the keys of the directory at *path*, after a new one has begun to sign.

    Args:
        path: The directory.
        algorithm: The new key's; None for that of the key before.
        keep: For how long the key before still verifies.

    Raises:
        UsageError: *algorithm* is not one of ours.
        CommandError: There are none, or they cannot be written.
    """
    if algorithm is not None:
        _require_algorithm(algorithm)
    with _explained(path):
        keys = KeyDirectory(path)
        keys.rotate(algorithm=algorithm, keep=keep)
        return _table(keys.entries)


def _require_algorithm(algorithm: str) -> None:
    if algorithm not in ALGORITHMS:
        raise UsageError(f"--alg has to be one of {', '.join(sorted(ALGORITHMS))}")


@contextmanager
def _explained(path: Path) -> Generator[None]:
    try:
        yield
    except FileExistsError:
        raise CommandError(f"{path} has keys already; `oauthgrants keys rotate` adds one") from None
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise CommandError(str(error)) from None


def _table(entries: Iterable[KeyEntry]) -> str:
    now = datetime.now(UTC)
    return "\n".join(
        f"{entry.key.kid}  {entry.key.algorithm:7}  made {_shown(entry.created_at)}  "
        + _state(entry, now)
        for entry in entries
    )


def _state(entry: KeyEntry, now: datetime) -> str:
    if entry.keep_until is None:
        return "signs"
    return "over" if entry.is_over(now) else f"kept until {_shown(entry.keep_until)}"


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"
