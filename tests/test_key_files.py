"""Signing keys on disk: whole or not at all, for one process or several, and never shown."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from oauthgrants import HttpRequest, HttpResponse
from oauthgrants.events import Fault
from oauthgrants.jose import SigningKey
from oauthgrants.key_files import KeyDirectory, open_keys
from support import ISSUER, World, error_of

req = pytest.mark.req
posix = pytest.mark.skipif(os.name != "posix", reason="needs the locks and modes of POSIX")
Capture = pytest.LogCaptureFixture

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MARGIN = timedelta(minutes=1)
INDEX = "keys.json"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where keys are to be."""
    return tmp_path / "keys"


@pytest.fixture
def directory(path: Path) -> KeyDirectory:
    return KeyDirectory.make(path, now=NOW)


def open_key(path: Path, algorithm: str = "ES256") -> SigningKey:
    """Return the key of a file."""
    key = open_keys(path, algorithm)
    assert isinstance(key, SigningKey)
    return key


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def kids(keys: KeyDirectory) -> list[str]:
    return [entry.key.kid for entry in keys.entries]


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


# A file


@posix
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_a_file_that_is_not_there_is_made(path: Path, algorithm: str) -> None:
    """For its owner alone, and without traces beside it."""
    made = open_key(path, algorithm)
    again = open_key(path, algorithm)

    assert (made.kid, algorithm) == (again.kid, again.algorithm)
    assert 0o600 == mode_of(path)
    assert [path] == list(path.parent.iterdir())
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")


def test_a_file_of_the_hosts_stays_as_it_is(path: Path) -> None:
    key = SigningKey.generate("RS256")
    path.write_bytes(key.to_pem())

    opened = open_key(path, "PS256")

    assert (key.kid, "PS256") == (opened.kid, opened.algorithm)
    assert key.to_pem() == path.read_bytes()


def test_many_servers_that_start_at_once_share_one_file(path: Path) -> None:
    barrier = Barrier(8)

    def start(_: int) -> str:
        barrier.wait(10)
        return open_key(path).kid

    with ThreadPoolExecutor(8) as pool:
        assert 1 == len(set(pool.map(start, range(8))))
    assert [path] == list(path.parent.iterdir())


def test_a_file_that_another_has_just_made_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = SigningKey.generate("ES256")

    def generate(algorithm: str) -> SigningKey:
        path.write_bytes(first.to_pem())
        return SigningKey.generate(algorithm, kid="late")

    fake = type("Late", (SigningKey,), {"generate": staticmethod(generate)})
    monkeypatch.setattr("oauthgrants.key_files.SigningKey", fake)

    assert first.kid == open_key(path).kid


def _unknown_curve() -> bytes:
    """Return a P-256 key that says it is on a curve that nobody knows."""
    der = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    object_id = bytes.fromhex("2a8648ce3d030107")
    body = b64encode(der.replace(object_id, object_id[:-1] + b"\x7f"))
    return b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----\n"


_P256 = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (b"", "the file holds no private key for ES256 in PEM"),
        (b"\xff\x00", "the file holds no private key for ES256 in PEM"),
        (SigningKey.generate("EdDSA").to_pem(), "the file holds no private key for ES256 in PEM"),
        (SigningKey.generate("ES384").to_pem(), "the key does not fit ES256"),
        (
            _P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "a private key is wanted, and this is a public one",
        ),
        (
            _P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
            "the file holds no private key for ES256 in PEM",
        ),
        (pem_of(ec.generate_private_key(ec.BrainpoolP256R1())), "on a curve that ES256 does not"),
        (_unknown_curve(), "on a curve that ES256 does not have"),
    ],
    ids=["empty", "garbage", "kind", "curve", "public", "encrypted", "brainpool", "unknown"],
)
def test_a_file_without_a_key_that_fits_is_refused(path: Path, pem: bytes, message: str) -> None:
    path.write_bytes(pem)

    with pytest.raises(ValueError, match=message):
        open_keys(path, "ES256")

    assert pem == path.read_bytes()


def test_an_algorithm_that_is_none_makes_no_file(path: Path) -> None:
    with pytest.raises(ValueError, match="'HS256' is no signature algorithm of ours"):
        open_keys(path, "HS256")

    assert not path.exists()


# A directory


@posix
def test_a_directory_and_what_is_in_it_are_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "keys"
    KeyDirectory.make(path).rotate(keep=DAY)

    assert 0o700 == mode_of(path)
    assert {".lock": 0o600, INDEX: 0o600} == {each.name: mode_of(each) for each in path.iterdir()}


def test_a_directory_is_opened_as_one(directory: KeyDirectory, path: Path) -> None:
    keys = open_keys(path, "ES256")

    assert isinstance(keys, KeyDirectory)
    assert kids(directory) == kids(keys)


def test_keys_are_made_once(directory: KeyDirectory, path: Path) -> None:
    before = kids(directory)

    with pytest.raises(FileExistsError, match="has keys already"):
        KeyDirectory.make(path)

    assert before == kids(directory) == kids(KeyDirectory(path))


def test_an_empty_directory_has_no_keys(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no keys; `oauthgrants keys make` makes them"):
        KeyDirectory(tmp_path)


def test_a_directory_can_be_there_before_its_keys(tmp_path: Path) -> None:
    assert "EdDSA" == KeyDirectory.make(tmp_path, "EdDSA").signing_key().algorithm


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()

    with pytest.raises(NotADirectoryError):
        KeyDirectory.make(path)


@req("R7517-4-a")
def test_a_retired_key_verifies_for_as_long_as_is_said(directory: KeyDirectory) -> None:
    """And a little longer, for what is being signed while it retires."""
    first = directory.signing_key()
    entry = directory.rotate(keep=DAY, now=NOW + timedelta(microseconds=999_999))
    second = directory.signing_key()

    def published(**after: float) -> list[str | None]:
        return [key.kid for key in directory.public_keys(NOW + timedelta(**after))]

    assert second.kid == entry.key.kid != first.kid
    assert [second.kid, first.kid] == published() == published(days=1, seconds=59)
    assert [second.kid] == published(days=1, minutes=1)
    assert [None, NOW + DAY + MARGIN] == [each.keep_until for each in directory.entries]
    assert [NOW, NOW] == [each.created_at for each in directory.entries]


def test_what_is_over_goes_with_the_next_rotation(directory: KeyDirectory) -> None:
    first = kids(directory)
    second = [directory.rotate(keep=DAY, now=NOW).key.kid]
    third = [directory.rotate(keep=DAY, now=NOW + DAY).key.kid]
    assert third + second + first == kids(directory)

    fourth = [directory.rotate(keep=DAY, now=NOW + DAY + MARGIN).key.kid]

    assert fourth + third + second == kids(directory)


def test_the_algorithm_stays_unless_it_is_said(directory: KeyDirectory) -> None:
    directory.rotate(keep=DAY)
    directory.rotate(keep=DAY, algorithm="EdDSA")
    directory.rotate(keep=DAY)

    algorithms = [entry.key.algorithm for entry in directory.entries]
    assert ["EdDSA", "EdDSA", "ES256", "ES256"] == algorithms


def test_an_algorithm_that_is_none_changes_nothing(directory: KeyDirectory, path: Path) -> None:
    before = (path / INDEX).read_bytes()

    with pytest.raises(ValueError, match="'none' is no signature algorithm of ours"):
        directory.rotate(keep=DAY, algorithm="none")
    with pytest.raises(ValueError, match="'none' is no signature algorithm of ours"):
        KeyDirectory.make(path.parent / "other", "none")

    assert before == (path / INDEX).read_bytes()
    assert not (path.parent / "other").exists()


def test_other_processes_see_a_rotation_at_once(directory: KeyDirectory, path: Path) -> None:
    other = KeyDirectory(path)
    assert kids(directory) == kids(other)

    for _ in range(5):
        new = directory.rotate(keep=DAY)
        assert new.key.kid == other.signing_key().kid
    assert 6 == len(other.public_keys(datetime.now(UTC)))


def test_an_unchanged_file_is_read_once(
    directory: KeyDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: KeyDirectory) -> None:
        pytest.fail("there is nothing to read")

    monkeypatch.setattr(KeyDirectory, "_read", fail)
    directory.note_expiry("kid", NOW)

    assert directory.signing_key() is directory.signing_key()


# Several at a time

_ROTATE = """
import sys
from datetime import timedelta
from pathlib import Path
from oauthgrants.key_files import KeyDirectory

keys = KeyDirectory(Path(sys.argv[1]))
for _ in range(10):
    keys.rotate(keep=timedelta(days=1))
"""


@posix
def test_processes_that_rotate_at_once_lose_no_key(directory: KeyDirectory, path: Path) -> None:
    """And whoever reads meanwhile finds keys, each time, the first one too."""
    first = directory.signing_key().kid
    processes = [
        subprocess.Popen([sys.executable, "-c", _ROTATE, str(path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    reads, seen = 0, {first}
    end = datetime.now(UTC) + timedelta(seconds=30)
    while any(process.poll() is None for process in processes):
        assert datetime.now(UTC) < end
        published = [key.kid for key in directory.public_keys(NOW)]
        assert first == published[-1]
        seen.add(directory.signing_key().kid)
        reads += 1
    assert [b""] * 3 == [process.communicate(timeout=10)[1] for process in processes]

    assert 31 == len(set(kids(directory)))
    assert seen <= set(kids(directory))
    assert [None] == [each.keep_until for each in directory.entries if each.keep_until is None]
    assert reads


def test_a_reader_that_is_late_does_not_hold_on_to_the_past(
    directory: KeyDirectory, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its reading and its taking over, another thread has read what is newer."""
    other = KeyDirectory(path)
    other.rotate(keep=DAY)
    read, delays = vars(KeyDirectory)["_read"], [other.rotate]

    def read_slowly(keys: KeyDirectory) -> Any:
        content = read(keys)
        if keys is directory and delays:
            delays.pop()(keep=DAY)
            assert kids(directory) == kids(other)
        return content

    monkeypatch.setattr(KeyDirectory, "_read", read_slowly)
    assert 2 == len(directory.entries)
    assert not delays

    assert kids(directory) == kids(other)
    assert 3 == len(directory.entries)


def test_a_file_replaced_between_look_and_reading_is_known_as_what_it_is(
    directory: KeyDirectory, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = KeyDirectory(path)
    other.rotate(keep=DAY)
    read, changes = vars(KeyDirectory)["_read"], [other.rotate]

    def replace_and_read(keys: KeyDirectory) -> Any:
        if keys is directory and changes:
            changes.pop()(keep=DAY)
        return read(keys)

    monkeypatch.setattr(KeyDirectory, "_read", replace_and_read)
    assert 3 == len(directory.entries)
    other.rotate(keep=DAY)

    assert 4 == len(directory.entries)
    assert kids(directory) == kids(other)


# Crashes

# Each child of this process is killed at one of the calls that change something on the disk.
_KILL = """
import os, sys
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from oauthgrants import key_files
from oauthgrants.key_files import KeyDirectory, open_keys

base, act, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
WATCHED = ("fdopen", "fsync", "link", "mkdir", "open", "close", "replace", "unlink")
ACTS = {
    "make": lambda path: KeyDirectory.make(path),
    "rotate": lambda path: KeyDirectory(path).rotate(keep=timedelta(days=1)),
    "open": lambda path: open_keys(path, "ES256"),
}

def watch(last):
    count = 0
    def counted(name, call):
        def wrapper(*args, **kwargs):
            nonlocal count
            count += 1
            if count < last:
                return call(*args, **kwargs)
            if when == "after":
                call(*args, **kwargs)
            os._exit(9)
        return wrapper
    for name in WATCHED:
        setattr(os, name, counted(name, getattr(os, name)))

for last in range(1, 60):
    path = base.with_name(f"{act}-{when}-{last}")
    if base.exists():
        copytree(base, path)
    child = os.fork()
    if not child:
        watch(last)
        try:
            ACTS[act](path)
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(last, status, flush=True)
    if status != 9:
        break
"""


def kill_at_each_call(base: Path, act: str, when: str) -> list[Path]:
    """Return what each child has left behind, the one that came to its end last."""
    done = subprocess.run(
        [sys.executable, "-c", _KILL, str(base), act, when],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    statuses = dict(line.split() for line in done.stdout.splitlines())
    assert "0" == statuses.popitem()[1]
    assert {"9"} == set(statuses.values())
    assert 5 < len(statuses)
    return [base.with_name(f"{act}-{when}-{last}") for last in range(1, len(statuses) + 2)]


@posix
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_while_rotating_leaves_the_keys_from_before_or_after(
    directory: KeyDirectory, path: Path, when: str
) -> None:
    """Then the next rotation goes well, and sweeps up."""
    old = kids(directory)
    states: set[int] = set()
    for left in kill_at_each_call(path, "rotate", when):
        found = KeyDirectory(left)
        states.add(len(found.entries))
        assert old == kids(found)[-1:]
        found.rotate(keep=DAY)
        assert {".lock", INDEX} == {each.name for each in left.iterdir()}
        assert 0o600 == mode_of(left / INDEX)

    assert {1, 2} == states


@posix
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_while_making_leaves_keys_or_none(path: Path, when: str) -> None:
    states: set[bool] = set()
    for left in kill_at_each_call(path, "make", when):
        made = (left / INDEX).exists()
        states.add(made)
        keys = KeyDirectory(left) if made else KeyDirectory.make(left)
        assert 1 == len(keys.entries)

    assert {True, False} == states


@posix
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_while_a_file_is_made_leaves_it_whole_or_not_at_all(path: Path, when: str) -> None:
    for left in kill_at_each_call(path, "open", when):
        assert open_key(left).kid == open_key(left).kid
        assert 0o600 == mode_of(left)


@posix
@pytest.mark.parametrize("name", ["fdopen", "fsync", "link", "mkdir", "open", "replace", "close"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_disk_that_fails_leaves_what_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, nth: int
) -> None:
    """Such as one that is full; and nothing unfinished with a key in it stays."""
    base = KeyDirectory.make(tmp_path / "base")
    calls = 0
    real: Callable[..., Any] = getattr(os, name)

    def fail(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            if name == "close":
                real(*args, **kwargs)
            raise OSError(28, "No space left on device")
        return real(*args, **kwargs)

    acts: list[Callable[[], object]] = [
        lambda: base.rotate(keep=DAY),
        lambda: KeyDirectory.make(tmp_path / "made"),
        lambda: open_keys(tmp_path / "file", "ES256"),
    ]
    for act in acts:
        calls, failure = 0, None
        with monkeypatch.context() as patched:
            patched.setattr(os, name, fail)
            try:
                act()
            except OSError as error:
                failure = error.strerror
        assert (None if calls < nth else "No space left on device") == failure

    assert kids(base)[-1] == kids(KeyDirectory(tmp_path / "base"))[-1]
    open_key(tmp_path / "file")
    assert not [each for each in tmp_path.rglob("*") if "unfinished" in each.name]


# What is not as we write it


def _members(**changes: Any) -> list[dict[str, Any]]:
    def member(**members: Any) -> dict[str, Any]:
        key = SigningKey.generate("ES256")
        usual = {"kid": key.kid, "alg": "ES256", "pem": key.to_pem().decode(), "created_at": 0}
        return {**usual, "keep_until": None, **members}

    return [member(**changes), member(keep_until=1)]


_GARBAGE: dict[str, Any] = {
    "empty": b"",
    "binary": b"\xff\xfe\x00",
    "cut": json.dumps({"keys": _members()}).encode()[:-20],
    "deep": b"[" * 100_000,
    "number": b"1",
    "list": [],
    "no-keys": {},
    "keys-null": {"keys": None},
    "keys-text": {"keys": "abc"},
    "keys-none": {"keys": []},
    "keys-numbers": {"keys": [1, 2]},
    "no-kid": {"keys": [{}]},
    "kid-number": {"keys": _members(kid=1)},
    "kid-empty": {"keys": _members(kid="")},
    "kid-control": {"keys": _members(kid="\x1b[2J")},
    "kid-accent": {"keys": _members(kid="é")},
    "kid-twice": {"keys": [*_members(), *_members(kid="a", keep_until=1)[:1] * 2]},
    "alg-none": {"keys": _members(alg="none")},
    "alg-list": {"keys": _members(alg=["ES256"])},
    "alg-other": {"keys": _members(alg="ES384")},
    "pem-number": {"keys": _members(pem=1)},
    "pem-empty": {"keys": _members(pem="")},
    "pem-surrogate": {"keys": _members(pem="\ud800")},
    "created-text": {"keys": _members(created_at="x")},
    "created-far": {"keys": _members(created_at=1e300)},
    "created-nan": {"keys": _members(created_at=float("nan"))},
    "none-signs": {"keys": _members(keep_until=1)},
    "all-sign": {"keys": [*_members(), *_members()]},
}


def to_octets(content: Any) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


@pytest.mark.parametrize("content", _GARBAGE.values(), ids=_GARBAGE)
def test_garbage_is_refused_and_never_shown(path: Path, content: Any) -> None:
    path.mkdir()
    (path / INDEX).write_bytes(to_octets(content))

    with pytest.raises(ValueError, match="does not hold keys as we write them") as refused:
        KeyDirectory(path)

    assert f"{path / INDEX} does not hold keys as we write them" == str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("content", [*_GARBAGE.values(), None], ids=[*_GARBAGE, "gone"])
def test_a_server_keeps_the_keys_it_has(
    directory: KeyDirectory, path: Path, caplog: Capture, content: Any
) -> None:
    """It says so once, and takes up new ones as soon as there are some."""
    before = kids(directory)
    whole = (path / INDEX).read_bytes()
    if content is None:
        (path / INDEX).unlink()
    else:
        (path / INDEX).write_bytes(to_octets(content))

    for _ in range(3):
        assert before == [directory.signing_key().kid] == kids(directory)
        assert before == [key.kid for key in directory.public_keys(NOW)]
    assert 1 == len(caplog.records)
    assert logging.WARNING == caplog.records[0].levelno
    assert "the signing keys stay as they were: " in caplog.text

    (path / INDEX).write_bytes(whole)
    assert before == kids(directory)
    new = KeyDirectory(path).rotate(keep=DAY)
    assert [new.key.kid, *before] == kids(directory)
    assert 1 == len(caplog.records)


def test_what_goes_wrong_again_is_said_again(
    directory: KeyDirectory, path: Path, caplog: Capture
) -> None:
    whole = (path / INDEX).read_bytes()
    for _ in range(2):
        (path / INDEX).write_bytes(b"")
        directory.signing_key()
        (path / INDEX).write_bytes(whole)
        directory.signing_key()
        (path / INDEX).unlink()
        directory.signing_key()

    assert 4 == len(caplog.records)


def test_nothing_is_rotated_that_cannot_be_read(directory: KeyDirectory, path: Path) -> None:
    (path / INDEX).write_bytes(b"{}")

    with pytest.raises(ValueError, match="does not hold keys"):
        directory.rotate(keep=DAY)

    assert b"{}" == (path / INDEX).read_bytes()


def test_no_key_is_shown(directory: KeyDirectory, path: Path, caplog: Capture) -> None:
    caplog.set_level(logging.DEBUG)
    entry = directory.rotate(keep=DAY)
    shown = [repr(directory), repr(entry), str(entry), repr(entry.key), repr(directory.entries)]
    (path / INDEX).write_bytes((path / INDEX).read_bytes()[:-3])
    directory.signing_key()

    for line in entry.key.to_pem().decode().splitlines():
        assert line not in "".join(shown) + caplog.text


# Systems other than POSIX


def test_a_system_without_file_locks_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)

    with pytest.raises(OSError, match="needs the file locks of POSIX"):
        KeyDirectory.make(path)


def test_a_file_is_made_where_directories_cannot_be_opened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oauthgrants.key_files.sys.platform", "win32")

    assert open_key(path).kid == open_key(path).kid


# Servers


class Failing:
    """Keys that are away, or there."""

    def __init__(self) -> None:
        self.key = SigningKey.generate("ES256")
        self.away = False

    def signing_key(self) -> SigningKey:
        if self.away:
            raise OSError(5, "Input/output error")
        return self.key

    def public_keys(self, now: datetime) -> list[Any]:
        return [self.signing_key().public]

    def note_expiry(self, kid: str, expires_at: datetime) -> None:
        pass


def get_jwks(world: World) -> HttpResponse:
    return world.send(HttpRequest(method="GET", url=f"{ISSUER}/jwks.json", source="192.0.2.1"))


def test_keys_that_are_away_are_a_fault(world: World) -> None:
    """At every endpoint that needs them; and not for longer than they are away."""
    keys = Failing()
    world.configure(
        access_token_format="jwt", signing_keys=keys, audience="https://api.example.com"
    )
    token = world.post("grant_type=client_credentials", client="service").json()["access_token"]
    assert 200 == get_jwks(world).status

    keys.away = True
    answers = [
        get_jwks(world),
        world.post("grant_type=client_credentials", client="service"),
        world.post(client="service", path="/introspect", token=token),
    ]

    faults = [event for event in world.sink.events if isinstance(event, Fault)]
    assert [(503, "temporarily_unavailable")] * 3 == [error_of(answer) for answer in answers]
    assert all(("Retry-After", "5") in answer.headers for answer in answers)
    assert [("192.0.2.1", OSError)] * 3 == [(each.source, type(each.error)) for each in faults]
    assert faults[0].at == world.clock()
    assert "no-store" == dict(answers[0].headers)["Cache-Control"]
    keys.away = False
    assert 200 == get_jwks(world).status


@req("R7517-4-a")
def test_a_directory_serves_both_colours(world: World, directory: KeyDirectory) -> None:
    world.configure(
        access_token_format="jwt", signing_keys=directory, audience="https://api.example.com"
    )
    world.clock.now = NOW

    def get_token() -> str:
        answer = world.post("grant_type=client_credentials", client="service").json()
        return str(answer["access_token"])

    def is_active(token: str) -> bool:
        answer = world.post(client="service", path="/introspect", token=token).json()
        return bool(answer["active"])

    old = get_token()
    directory.rotate(keep=timedelta(hours=1), now=NOW, algorithm="EdDSA")
    new = get_token()

    keys = get_jwks(world).json()["keys"]
    assert kids(directory) == [key["kid"] for key in keys]
    assert ["EdDSA", "ES256"] == [key["alg"] for key in keys]
    assert all("d" not in key and "sig" == key["use"] for key in keys)
    assert is_active(old)
    assert is_active(new)
    world.clock.move(hours=1, minutes=1)
    assert kids(directory)[:1] == [key["kid"] for key in get_jwks(world).json()["keys"]]
