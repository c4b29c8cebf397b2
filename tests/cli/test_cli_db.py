"""``oauthgrants db``, on real databases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from cli_support import WriteConfig, config_writer
from fresh_databases import KINDS, fresh_url
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from oauthgrants.cli import main
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore

Capture = pytest.CaptureFixture[str]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> Generator[str]:
    with fresh_url(request.param) as url:
        yield url


def run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """Return the status, and what is printed and complained about."""
    status = main(arguments)
    out, err = capsys.readouterr()
    return status, out, err


def execute(url: str, statement: str) -> None:
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text(statement))


def names_in(url: str) -> set[str]:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return set(inspect(connection).get_table_names())


def test_tables_are_made_once(capsys: Capture, url: str) -> None:
    status, out, err = run(capsys, "db", "upgrade", "--store", url)
    assert (0, "") == (status, err)
    assert out.endswith(": upgraded to revision og0001\n")

    assert run(capsys, "db", "upgrade", "--store", url)[1].endswith(
        ": revision og0001: up to date\n"
    )
    assert run(capsys, "db", "current", "--store", url)[1].endswith(
        ": revision og0001: up to date\n"
    )


def test_a_database_without_tables_has_no_revision(capsys: Capture) -> None:
    with fresh_url("postgresql") as url:
        status, out, err = run(capsys, "db", "current", "--store", url)

    assert (0, "") == (status, err)
    assert out.endswith(": no revision, the latest is og0001\n")


def test_tables_of_create_all_are_taken_as_they_are(capsys: Capture, url: str) -> None:
    SqlAlchemyStore(create_engine(url, poolclass=NullPool)).create_all()

    status, out, err = run(capsys, "db", "upgrade", "--store", url)

    assert (0, "") == (status, err)
    assert out.endswith(": the tables are as create_all makes them: noted as revision og0001\n")


def test_tables_of_another_shape_are_refused_until_somebody_says_what_they_are(
    capsys: Capture, url: str
) -> None:
    SqlAlchemyStore(create_engine(url, poolclass=NullPool)).create_all()
    execute(url, "DROP TABLE oauth_denials")

    status, out, err = run(capsys, "db", "upgrade", "--store", url)
    assert (1, "") == (status, out)
    assert "add_table oauth_denials" in err
    assert "`oauthgrants db stamp REVISION`" in err
    assert 1 == err.count("\n")

    status, out, err = run(capsys, "db", "stamp", "og0000", "--store", url)
    assert (1, "") == (status, out)
    assert "there is no revision 'og0000'; there are og0001" in err

    for revision in (["og0001"], []):
        status, out, err = run(capsys, "db", "stamp", *revision, "--store", url)
        assert (0, "") == (status, err)
        assert out.endswith(": noted as revision og0001\n")
    assert 0 == main(["db", "upgrade", "--store", url])


def test_tables_may_have_another_prefix(capsys: Capture, url: str) -> None:
    assert 0 == main(["db", "upgrade", "--store", url, "--prefix", "auth_"])

    assert {"auth_alembic_version", "auth_clients"} <= names_in(url)
    assert not [name for name in names_in(url) if name.startswith("oauth_")]


def test_the_url_may_stand_in_a_servers_file(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a relative path begins where the file is; that of an argument, where the shell is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    write: WriteConfig = config_writer(tmp_path)
    path = write('issuer = "https://auth.example.com"\nstore = "sqlite:///oauth.db"')

    assert (0, "sqlite:///oauth.db: upgraded to revision og0001\n", "") == run(
        capsys, "db", "upgrade", "--config", path
    )
    assert {"oauth.toml", "elsewhere", "oauth.db"} == {each.name for each in tmp_path.iterdir()}
    assert 0 == main(["db", "upgrade", "--store", "sqlite:///here.db"])
    assert ["here.db"] == [each.name for each in elsewhere.iterdir()]


@pytest.mark.parametrize("command", [["upgrade"], ["current"], ["stamp"]])
@pytest.mark.parametrize("url", ["memory:", "redis://:pw@cache.example.com", "valkeys://cache"])
def test_what_has_no_tables_needs_none(capsys: Capture, command: list[str], url: str) -> None:
    status, out, err = run(capsys, "db", *command, "--store", url)

    assert (0, "") == (status, err)
    assert out.endswith(
        ": no tables, and what has expired goes by itself: there is nothing to do\n"
    )
    assert "pw" not in out


@pytest.mark.parametrize("command", [["current"], ["stamp"]])
def test_a_file_that_is_not_there_is_not_made(
    capsys: Capture, tmp_path: Path, command: list[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'oauth.db'}"

    assert (1, "", f"oauthgrants: {url}: there is no such file\n") == run(
        capsys, "db", *command, "--store", url
    )
    assert [] == list(tmp_path.iterdir())


def test_a_file_that_is_no_database_is_refused(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "oauth.db"
    path.write_text("swordfish" * 1000)

    status, out, err = run(capsys, "db", "upgrade", "--store", f"sqlite:///{path}")

    assert (1, "") == (status, out)
    assert f"oauthgrants: sqlite:///{path}: file is not a database\n" == err


def test_a_folder_that_is_not_there_is_refused(capsys: Capture, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/no/oauth.db"

    assert (1, "", f"oauthgrants: {url}: unable to open database file\n") == run(
        capsys, "db", "upgrade", "--store", url
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["db"], "the following arguments are required: COMMAND"),
        (["db", "upgrade"], "one of the arguments --store --config is required"),
        (
            ["db", "upgrade", "--store", "memory:", "--config", "x"],
            "argument --config: not allowed with argument --store",
        ),
        (
            ["db", "upgrade", "--store", "mysql://me:pw@x"],
            "argument --store: has to be memory:, or",
        ),
        (
            ["db", "upgrade", "--store", ""],
            "argument --store: has to be a string, and not an empty",
        ),
        (
            ["db", "upgrade", "--store", "memory:", "--prefix", "a-b"],
            "argument --prefix: has to be of letters, digits and _, 20 at most",
        ),
        (
            ["db", "upgrade", "--store", "memory:", "--prefix", "a" * 21],
            "argument --prefix: has to be of letters, digits and _, 20 at most",
        ),
    ],
)
def test_arguments_that_are_none_are_status_2(
    capsys: Capture, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)

    assert 2 == end.value.code
    err = capsys.readouterr().err
    assert message in err
    assert "pw" not in err


def test_a_file_that_says_what_cannot_be_is_status_2(capsys: Capture, tmp_path: Path) -> None:
    path = config_writer(tmp_path)('issuer = "https://auth.example.com"\nstore = "mysql://me:pw@x"')

    status, out, err = run(capsys, "db", "upgrade", "--config", path)

    assert (2, "") == (status, out)
    assert err.startswith(f"oauthgrants: {path}: store: has to be memory:, or a URL that begins")
    assert "pw" not in err


def test_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    monkeypatch.delitem(sys.modules, "oauthgrants.stores.sqlalchemy.migrations", raising=False)
    monkeypatch.setitem(sys.modules, "alembic.script", None)

    assert 1 == main(["db", "upgrade", "--store", f"sqlite:///{tmp_path}/oauth.db"])

    assert capsys.readouterr().err == (
        "oauthgrants: migrations need Alembic: pip install 'oauthgrants[cli]'\n"
    )


def test_many_upgrades_at_once_end_well(url: str) -> None:
    """As processes, as where several machines start together."""
    command = [sys.executable, "-m", "oauthgrants", "db", "upgrade", "--store", url]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=60) for process in processes]

    assert [0, 0, 0] == [process.returncode for process in processes]
    assert ["", "", ""] == [err for _, err in said]
    assert ["revision og0001: up to date"] * 2 + ["upgraded to revision og0001"] == sorted(
        out.strip().partition(": ")[2] for out, _ in said
    )
