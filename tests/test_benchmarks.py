"""The benchmarks run, print what they say, and notice what is wrong; never how long it took."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import attrs
import pytest
from sqlalchemy import Table, select

from benchmarks import costs, overhead, processes, report, round_trips, sizes, stores
from benchmarks.driving import Answer
from benchmarks.evidence import Chain, Evidence, Race
from benchmarks.measuring import Case, Timings, cpu_seconds, interleave, ratio_of
from benchmarks.population import Population
from benchmarks.relay import Relay, relay_to
from benchmarks.subjects import OPENERS, Subject, open_sqlite
from oauthgrants.hashing import token_digest
from oauthgrants.secret import Secret, SecretFormat

ROOT = Path(__file__).parent.parent


@attrs.frozen
class Printer:
    """Runs benchmarks and returns what they print."""

    capture: pytest.CaptureFixture[str]

    def __call__(self, main: Callable[[list[str]], None], arguments: str) -> str:
        main(arguments.split())
        return self.capture.readouterr().out


@pytest.fixture
def printed_by(capsys: pytest.CaptureFixture[str]) -> Printer:
    return Printer(capsys)


def rows_of(printed: str) -> list[list[str]]:
    """Return the rows of all tables in what was *printed*, without head and rule."""
    rows: list[list[str]] = []
    lines = printed.splitlines()
    for before, line in pairwise(lines):
        if line.startswith("|") and before.startswith("|") and not line.startswith("| -"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.mark.parametrize("name", OPENERS)
def test_calls_are_measured_with_few_tokens_and_with_many(name: str, printed_by: Printer) -> None:
    printed = printed_by(
        stores.main, f"--tokens 20 40 --rounds 2 --calls 2 --batch 5 --no-sync --store {name}"
    )

    assert "oauthgrants  0." in printed
    assert f" {name} " in printed.replace(",", " ")
    purges = [] if name == "valkey" else ["purge a batch of 5"]
    assert [row[0] for row in rows_of(printed)] == [
        "issue an access token",
        "issue at a sign-in",
        "look up an access token",
        "find and rotate a refresh token",
        "revoke a sign-in",
        *purges,
    ]


def test_stores_are_measured_beside_one_another(printed_by: Printer) -> None:
    """What one of them does not do is left out."""
    printed = printed_by(
        stores.main,
        "--tokens 20 --rounds 1 --calls 2 --no-sync --together --store memory --store valkey",
    )

    rows = rows_of(printed)
    assert {len(row) for row in rows} == {4}
    assert not [row for row in rows if row[0].startswith("purge")]


def test_a_request_waits_as_often_as_is_promised(printed_by: Printer) -> None:
    """Twice for `client_credentials`, once if the client is cached, not at all for a JWT then."""
    printed = printed_by(round_trips.main, "--requests 3")

    trips = {row[0]: row[1:] for row in rows_of(printed)}
    columns = dict(zip(round_trips.WAYS, zip(*trips.values(), strict=True), strict=True))
    pinged = columns.pop("psycopg, pool_pre_ping")
    assert pinged[:2] == ("4", "2")
    for counted in columns.values():
        assert counted[:4] == (str(round_trips.GOAL), str(round_trips.GOAL - 1), "1", "0")
    assert all(len(counted) == len(trips) for counted in columns.values())


def test_a_store_is_compared_with_bare_statements(printed_by: Printer) -> None:
    rows = rows_of(printed_by(overhead.main, "--rounds 2 --calls 2"))

    assert [row[0] for row in rows] == list(overhead.RIVALS)
    assert {len(row) for row in rows} == {7}


def test_the_costs_of_a_request_are_told_by_store(printed_by: Printer) -> None:
    printed = printed_by(
        costs.main, "--rounds 1 --calls 2 --store memory --store sqlite --store valkey"
    )

    assert [row[0].split()[0].rstrip(",") for row in rows_of(printed)] == [
        *["memory"] * 2,
        *["sqlite"] * 3,
        *["valkey"] * 3,
    ]


def test_sizes_are_told_by_store(printed_by: Printer) -> None:
    printed = printed_by(
        sizes.main, "--tokens 1000 --store memory --store postgresql --store valkey"
    )

    rows = {row[0].split()[0]: row[1:] for row in rows_of(printed)}
    assert rows.keys() == {"memory", "postgresql", "valkey"}
    for name in rows.keys() - {"memory"}:  # what a process takes grows in steps
        each, _, million, _ = rows[name]
        assert float(each.split()[0]) > 100
        assert million.endswith((" MB", " GB"))


def test_several_processes_lose_nothing(printed_by: Printer) -> None:
    printed = printed_by(
        processes.main, "--processes 1 2 --rounds 1 --seconds 0.2 --threads 2 --races 2"
    )

    rows = rows_of(printed)
    assert [row[0] for row in rows[:4]] == ["1", "2"] * 2
    checked = {row[0]: int(row[1].replace(",", "")) for row in rows[4:]}
    assert checked["access tokens given out, each of them stored once"] > 0
    assert checked["refresh tokens spent, each with one successor"] > 0
    assert checked["access tokens lost, or there twice"] == 0
    assert checked["of these, worked once and ended their family"] == 4


def test_they_are_commands() -> None:
    """The command without a name lists those that have one."""

    def run(command: str) -> str:
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", *command.split()],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout

    listed = run("tests.benchmarks")
    for name in ("costs", "overhead", "processes", "round_trips", "sizes", "stores"):
        assert f"python -m tests.benchmarks.{name} " in listed
    printed = run("tests.benchmarks.stores --store memory --tokens 20 40 --rounds 1")
    assert "purge a batch" in printed


@pytest.mark.parametrize("name", ["sqlite", "valkey"])
def test_filling_writes_what_the_store_writes(name: str) -> None:
    """What is measured with many tokens is what would be there if each had been issued."""
    population = Population(200)
    with OPENERS[name]("filled", False) as filled, OPENERS[name]("saved", False) as saved:
        filled.fill(population)
        for access, refresh in population:
            saved.store.save_tokens(access, refresh)

        assert contents_of(filled) == contents_of(saved)


def contents_of(subject: Subject) -> Any:
    """Return all that is kept."""
    if subject.url is not None and subject.url.startswith("unix:"):
        client: Any = subject.store.keyspace.client
        return {
            # The values of a family are when its members expire, from when they came.
            key: client.get(key) if client.type(key) == b"string" else sorted(client.hkeys(key))
            for key in client.scan_iter(count=1000)
        }
    tables: tuple[Table, ...] = attrs.astuple(subject.store.tables)
    with subject.store.engine.connect() as connection:
        return {table.name: sorted(connection.execute(select(table)), key=str) for table in tables}


def test_cases_take_turns() -> None:
    """Each once a round, in different orders; the first round does not count."""
    called: list[str] = []
    cases = {
        name: Case(called.append, calls=2, make=partial(str, name), elsewhere=lambda: 1.0)
        for name in "ab"
    }

    timings = interleave(cases, rounds=20)

    rounds = ["".join(called[start : start + 4]) for start in range(0, len(called), 4)]
    assert len(rounds) == 21
    assert set(rounds) == {"aabb", "bbaa"}
    for timing in timings.values():
        assert len(timing.wall) == len(timing.cpu) == len(timing.elsewhere) == 20
        assert timing.mean_elsewhere == 0


def test_a_ratio_is_of_what_was_measured_in_the_same_round() -> None:
    few, many = Timings([1.0, 10.0, 2.0], [1.0] * 3), Timings([2.0, 20.0, 8.0], [3.0] * 3)

    assert str(many.over(few)) == "2.00 (2.00 to 3.00)"
    assert str(many.cpu_over(few)) == "3.00 (3.00 to 3.00)"
    assert str(ratio_of([3.0], [2.0])) == "1.50 (1.50 to 1.50)"
    assert (few.usual, few.usual_cpu, few.mean_elsewhere) == (2.0, 1.0, None)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (report.duration(12.3e-6), "12.3 µs"),
        (report.duration(4.5e-3), "4.50 ms"),
        (report.duration(90), "90.0 s"),
        (report.size(412), "412 B"),
        (report.size(1_296_000), "1.3 MB"),
        (report.size(2_345_000_000_000), "2.34e+03 GB"),
        (report.count(1234567.8), "1,234,568"),
    ],
)
def test_figures_have_units(shown: str, text: str) -> None:
    assert shown == text


def test_a_table_is_markdown() -> None:
    assert report.table("times", ["what", "ms"], [["issue", 1.5], ["look up", 20]]) == (
        "times\n\n| what    |  ms |\n| ------- | --: |\n| issue   | 1.5 |\n| look up |  20 |\n"
    )


def test_what_has_ended_computed_nothing() -> None:
    """Nobody says any more, which is not the same as none."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait(timeout=60)

    assert cpu_seconds([ended.pid]) is None


def test_a_relay_counts_waits_and_not_packets() -> None:
    """What comes in several parts is one, and so is what an answer in several parts is to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)

        def serve() -> None:
            server, _ = listening.accept()
            with server:
                for _ in range(3):
                    assert receive(server, 2) == b"ab"
                    server.sendall(b"c")
                    server.sendall(b"d")

        thread = Thread(target=serve)
        thread.start()
        with relay_to(listening.getsockname()) as relay:
            with socket.create_connection(("127.0.0.1", relay.port), timeout=30) as client:
                for _ in range(3):
                    client.sendall(b"a")
                    client.sendall(b"b")
                    assert receive(client, 2) == b"cd"
                # The server has hung up, and so has the relay.
                assert client.recv(1) == b""
            thread.join(timeout=30)
            assert relay == Relay(relay.port, round_trips=3)


def receive(connection: socket.socket, size: int) -> bytes:
    """Return as many octets as *size*."""
    octets = b""
    while len(octets) < size:
        part = connection.recv(size - len(octets))
        assert part
        octets += part
    return octets


def answer(access: str, status: int = 200) -> Answer:
    return Answer(status, b'{"access_token": "%b"}' % access.encode())


def lose(subject: Subject, evidence: Evidence) -> None:
    subject.store.revoke_access_token(token_digest(Secret("one")))


def hand_out_twice(subject: Subject, evidence: Evidence) -> None:
    evidence.answers.append(answer("one"))


def store_unasked(subject: Subject, evidence: Evidence) -> None:
    evidence.answers.pop()


def refuse(subject: Subject, evidence: Evidence) -> None:
    evidence.answers.append(answer("", 503))


def fork(subject: Subject, evidence: Evidence) -> None:
    """Give the first refresh token of a chain two successors."""
    first = refresh_tokens_of(subject)[0]
    for name in "xy":
        twin = attrs.evolve(first, digest=token_digest(Secret(name)), parent=first.digest)
        subject.store.save_tokens(None, twin)


def leave_a_gap(subject: Subject, evidence: Evidence) -> None:
    evidence.chains[0].rotations += 1


def let_two_win(subject: Subject, evidence: Evidence) -> None:
    evidence.races[0].answers[1:] = [answer("three")]


def let_the_family_live(subject: Subject, evidence: Evidence) -> None:
    evidence.races[0].family = evidence.chains[0].family


def refresh_tokens_of(subject: Subject) -> list[Any]:
    table = subject.store.tables.refresh_tokens
    with subject.store.engine.connect() as connection:
        digests = connection.scalars(select(table.c.digest)).all()
    return [subject.store.find_refresh_token(digest) for digest in digests]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lose, "1 access tokens were given out and are not stored, 0 are stored"),
        (hand_out_twice, "an access token was given out twice"),
        (store_unasked, "0 access tokens were given out and are not stored, 1 are stored"),
        (refuse, "requests were refused"),
        (fork, "two successors"),
        (leave_a_gap, "a fork or a gap"),
        (let_two_win, r"a race ended \[200, 200\]"),
        (let_the_family_live, "a family has outlived"),
    ],
)
def test_what_is_lost_or_doubled_is_noticed(
    spoil: Callable[[Subject, Evidence], None], complaint: str
) -> None:
    with open_sqlite("evidence", False) as subject:
        store = subject.store
        for access, name in zip(Population(10), ("one", "two"), strict=False):
            token = attrs.evolve(access[0], digest=token_digest(Secret(name)))
            store.save_tokens(token, None)
        secret = SecretFormat("ogcs_").generate()
        evidence = Evidence(
            answers=[answer("one"), answer("two")],
            chains=[Chain.begin(subject, 0, secret)],
            races=[Race("gone", [answer("three"), answer("", 400)])],
        )
        assert len(evidence.check(subject)) == 5

        spoil(subject, evidence)

        with pytest.raises(AssertionError, match=complaint):
            evidence.check(subject)


def test_no_token_is_in_a_repr() -> None:
    """What a failed assertion prints."""
    with open_sqlite("evidence", False) as subject:
        chain = Chain.begin(subject, 0, SecretFormat("ogcs_").generate())

    assert chain.value not in repr(chain)
    assert "ogcs_" not in repr(chain)
    assert "three" not in repr(answer("three"))
