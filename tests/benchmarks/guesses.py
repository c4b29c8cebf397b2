"""
How many guesses at passwords reach the verifier of ``oauthgrants serve``.

Each source is an address of this machine, 127.0.0.1 and on, with a connection of its own, and
guesses at all names in an order of chance. What was looked at, and what was not, is read from the
log of the server, a line for each. Meanwhile a user signs in rightly, from an address where she
has done so before; and at the end another one, from an address that nobody has seen yet.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic
from urllib.parse import urlencode

import attrs

from oauthgrants import Argon2idHasher, Secret
from oauthgrants.throttling import Throttle

from .report import count, describe_machine, table

CLIENT_ID, CLIENT_SECRET = "app", "a-secret-that-a-machine-has-made"
_FORM = "application/x-www-form-urlencoded"
_LOOKED_AT = re.compile(r"RequestRefused: .*reason='unknown user or wrong password'")
_NOT_LOOKED_AT = re.compile(r"Throttled: .*kind='password'")
_PATIENCE = 60
_MEANWHILE = 3
# What is counted does not depend on what a check costs, and a refusal takes as long as one.
HASHER = Argon2idHasher(memory_cost=8 * 1024, time_cost=1, lanes=1)


@attrs.frozen(kw_only=True)
class Attack:
    """
    Who guesses how often.

    Attributes:
        guesses: In all.
        names: At how many users' passwords.
        sources: From how many addresses.
    """

    guesses: int = 10_000
    names: int = 100
    sources: int = 10

    def most_looked_at(self, throttle: Throttle) -> int:
        """
        Return how many guesses the limits let through, the smallest number of the rows there are.

        >>> Attack().most_looked_at(Throttle())
        100
        """
        most = throttle.max_failures
        return min(
            self.guesses,
            self.sources * self.names * most,
            self.sources * most,
            self.names * most * throttle.username_factor,
            most * throttle.client_factor,
        )


@attrs.frozen(kw_only=True)
class Outcome:
    """
    What came of it.

    Attributes:
        looked_at: Guesses that reached the verifier, as the log says.
        not_looked_at: Those that did not.
        answers: How often each status and error was the answer to a guess.
        known: The statuses of the user who signed in meanwhile, from a known source.
        stranger: That of the one at a new address.
        seconds: How long all of it took.
    """

    looked_at: int
    not_looked_at: int
    answers: Counter[tuple[int, str]]
    known: list[int]
    stranger: int
    seconds: float


def write_configuration(path: Path, attack: Attack) -> None:
    """Write a server's file, with a client and its users."""
    users = "".join(
        f'[[users]]\nusername = "{name}"\nsub = "sub-{name}"\n'
        f'password_hash = "{HASHER.hash(Secret(_password(name)))}"\n'
        for name in map(_name, range(attack.names))
    )
    path.write_text(
        'issuer = "http://127.0.0.1:8000"\n'
        "[grants]\n"
        "password = true\n"
        "[[clients]]\n"
        f'client_id = "{CLIENT_ID}"\n'
        f'client_secret = "{CLIENT_SECRET}"\n'
        "client_secret_machine_made = true\n"
        'grant_types = ["password"]\n'
        f"first_party = true\n{users}",
        encoding="utf-8",
    )


def _name(number: int) -> str:
    return f"user-{number}"


def _password(name: str) -> str:
    return f"the password of {name}"


@contextmanager
def serving(configuration: Path, log: Path) -> Generator[int]:
    """Yield the port of ``oauthgrants serve``, which writes to *log*."""
    command = [sys.executable, "-m", "oauthgrants", "serve", "--port", "0"]
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [*command, "--config", str(configuration)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the server did not begin:\n{log.read_text('utf-8')}")
            yield int(line.rpartition(":")[2])
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE)
        finally:
            process.kill()


class Source:
    """An address that guesses come from, with a connection that stays open."""

    def __init__(self, number: int, port: int) -> None:
        self.connection = HTTPConnection(
            "127.0.0.1", port, timeout=_PATIENCE, source_address=(f"127.0.0.{number}", 0)
        )

    def close(self) -> None:
        self.connection.close()

    def sign_in(self, username: str, password: str) -> tuple[int, str]:
        """Return the status, and the error, if it was one."""
        credentials = b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        form = {"grant_type": "password", "username": username, "password": password}
        headers = {"Content-Type": _FORM, "Authorization": f"Basic {credentials}"}
        self.connection.request("POST", "/token", urlencode(form), headers)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read()).get("error", "")


def guess(number: int, port: int, names: Sequence[str]) -> Counter[tuple[int, str]]:
    """Guess at *names*, one after the other, and return what was answered."""
    with closing(Source(number, port)) as source:
        return Counter(source.sign_in(name, "a wrong one") for name in names)


def sign_in_rightly(number: int, port: int, name: str) -> int:
    """Return the status that *name* gets with the right password."""
    with closing(Source(number, port)) as source:
        return source.sign_in(name, _password(name))[0]


def run(attack: Attack) -> Outcome:
    """Return what comes of *attack* on a server with the limits that it has by itself."""
    with TemporaryDirectory() as folder:
        configuration, log = Path(folder) / "oauth.toml", Path(folder) / "log"
        write_configuration(configuration, attack)
        began = monotonic()
        with serving(configuration, log) as port:
            answers, known, stranger = _attack(attack, port)
        seconds = monotonic() - began
        lines = log.read_text("utf-8").splitlines()
    return Outcome(
        looked_at=sum(1 for line in lines if _LOOKED_AT.search(line)),
        not_looked_at=sum(1 for line in lines if _NOT_LOOKED_AT.search(line)),
        answers=answers,
        known=known,
        stranger=stranger,
        seconds=seconds,
    )


def _attack(attack: Attack, port: int) -> tuple[Counter[tuple[int, str]], list[int], int]:
    chance, answers = Random(0), Counter[tuple[int, str]]()
    at_home, on_the_move = _name(0), _name(1)
    turns = [_name(number % attack.names) for number in range(attack.guesses)]
    chance.shuffle(turns)

    def come_home() -> int:
        return sign_in_rightly(attack.sources + 1, port, at_home)

    with ThreadPoolExecutor(attack.sources) as threads:
        known = [come_home()]
        running: list[Future[Counter[tuple[int, str]]]] = [
            threads.submit(guess, number + 1, port, turns[number :: attack.sources])
            for number in range(attack.sources)
        ]
        # While the guesses come, and once more when all is over.
        known.extend(come_home() for _ in range(_MEANWHILE))
        for each in running:
            answers.update(each.result())
    known.append(come_home())
    return answers, known, sign_in_rightly(attack.sources + 2, port, on_the_move)


def describe(attack: Attack, outcome: Outcome, throttle: Throttle) -> str:
    """Return the table."""
    answers = ", ".join(
        f"{status} {error} {count(times)} times"
        for (status, error), times in outcome.answers.most_common()
    )
    rows = [
        ("let through by the limits, at most", count(attack.most_looked_at(throttle))),
        ("reached the verifier", count(outcome.looked_at)),
        ("were not looked at", count(outcome.not_looked_at)),
        ("were answered with", answers),
        (
            "right passwords from a known source, meanwhile and after",
            f"{outcome.known.count(200)} of {len(outcome.known)} let in",
        ),
        (
            "a right password from a new source, after",
            "let in" if outcome.stranger == 200 else "refused",
        ),
        ("seconds", f"{outcome.seconds:.0f}"),
    ]
    title = (
        f"{count(attack.guesses)} guesses at {count(attack.names)} names from "
        f"{attack.sources} sources"
    )
    return table(title, ("what", "how many"), rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the machine and the table."""
    usual, throttle = Attack(), Throttle()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guesses", type=int, default=usual.guesses)
    parser.add_argument("--names", type=int, default=usual.names)
    parser.add_argument("--sources", type=int, default=usual.sources)
    chosen = parser.parse_args(arguments)
    attack = Attack(guesses=chosen.guesses, names=chosen.names, sources=chosen.sources)
    outcome = run(attack)
    print(describe_machine("cryptography"))
    print(describe(attack, outcome, throttle))


if __name__ == "__main__":
    main()
