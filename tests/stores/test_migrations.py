"""The migrations: what they make, from what they begin, and beside whose they run."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any, cast

import alembic.command
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from fresh_databases import KINDS, fresh_url
from sqlalchemy import Engine, MetaData, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from oauthgrants import Client
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore, make_tables
from oauthgrants.stores.sqlalchemy.migrations import MigrationRefused, Migrations, Upgraded


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> Generator[str]:
    with fresh_url(request.param) as url:
        yield url


@pytest.fixture
def engine(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


@pytest.fixture
def migrations(engine: Engine) -> Migrations:
    return Migrations(engine)


def make_metadata(prefix: str = "oauth_") -> MetaData:
    metadata = MetaData()
    make_tables(metadata, prefix=prefix)
    return metadata


def names_in(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def shape_of(engine: Engine) -> dict[str, Any]:
    """Return all that the database says about its tables, but for those of migrations."""
    with engine.connect() as connection:
        inspector = inspect(connection)
        return {
            name: {
                "columns": [
                    column | {"type": repr(column["type"])}
                    for column in map(dict[str, Any], inspector.get_columns(name))
                ],
                "primary key": inspector.get_pk_constraint(name),
                "unique": inspector.get_unique_constraints(name),
                "indexes": sorted(inspector.get_indexes(name), key=lambda each: str(each["name"])),
                "foreign keys": inspector.get_foreign_keys(name),
                "checks": inspector.get_check_constraints(name),
            }
            for name in inspector.get_table_names()
            if not name.endswith("alembic_version")
        }


# What is made


def test_the_migrations_make_what_make_tables_says(engine: Engine, migrations: Migrations) -> None:
    """A table or column without its migration fails here; Alembic says which."""
    migrations.upgrade()

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": migrations.version_table}
        )
        assert [] == compare_metadata(context, make_metadata())


@pytest.mark.parametrize("kind", KINDS)
def test_the_migrations_make_what_create_all_makes(kind: str) -> None:
    """To the last key and index, some of which Alembic does not compare."""
    with fresh_url(kind) as migrated_url, fresh_url(kind) as created_url:
        migrated = create_engine(migrated_url, poolclass=NullPool)
        created = create_engine(created_url, poolclass=NullPool)
        Migrations(migrated).upgrade()
        SqlAlchemyStore(created).create_all()

        assert shape_of(migrated) == shape_of(created) != {}


def test_a_store_works_on_what_the_migrations_make(engine: Engine, migrations: Migrations) -> None:
    migrations.upgrade()
    store = SqlAlchemyStore(engine)
    client = Client.public("phone")
    store.add_client(client)

    assert client == store.find_client("phone")


def test_the_latest_revision_is_reached_once(migrations: Migrations) -> None:
    assert migrations.current() is None
    assert Upgraded(revision=migrations.head, applied=("og0001",)) == migrations.upgrade()
    assert migrations.head == migrations.current()
    assert Upgraded(revision=migrations.head) == migrations.upgrade()
    assert migrations.head == migrations.current()


def test_of_many_at_once_one_does_the_work(url: str) -> None:
    """The others wait for it, and find nothing left to do."""
    barrier = Barrier(4, timeout=30)

    def upgrade(_: int) -> Upgraded:
        migrations = Migrations(create_engine(url, poolclass=NullPool))
        barrier.wait()
        return migrations.upgrade()

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(upgrade, range(4)))

    assert 1 == sum(bool(each.applied) for each in done)
    assert not any(each.adopted for each in done)


def test_all_is_made_or_nothing(engine: Engine, migrations: Migrations) -> None:
    """Here one of the last steps fails, as its name is taken."""
    execute(
        engine,
        "CREATE TABLE mine (expires_at BIGINT)",
        "CREATE INDEX ix_oauth_denials_expires_at ON mine (expires_at)",
    )

    with pytest.raises(DBAPIError, match="already"):
        migrations.upgrade()

    assert {"mine"} == names_in(engine)
    execute(engine, "DROP TABLE mine")
    assert migrations.upgrade().applied


def test_other_databases_are_refused() -> None:
    driver = cast("Any", SimpleNamespace(paramstyle="format"))
    engine = create_engine("mysql+mysqldb://", module=driver)

    with pytest.raises(ValueError, match="migrations are for sqlite and postgresql only"):
        Migrations(engine)


# What is there already


def test_tables_of_create_all_are_taken_as_they_are(engine: Engine, migrations: Migrations) -> None:
    store = SqlAlchemyStore(engine)
    store.create_all()
    client = Client.public("phone")
    store.add_client(client)

    assert Upgraded(revision=migrations.head, adopted=True) == migrations.upgrade()
    assert Upgraded(revision=migrations.head) == migrations.upgrade()
    assert client == store.find_client("phone")


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("DROP TABLE oauth_denials", "add_table oauth_denials"),
        ("DROP INDEX ix_oauth_denials_expires_at", "add_index ix_oauth_denials_expires_at"),
        ("ALTER TABLE oauth_users ADD COLUMN mine TEXT", "remove_column oauth_users mine"),
        ("ALTER TABLE oauth_users DROP COLUMN active", "add_column oauth_users active"),
    ],
)
def test_tables_of_another_shape_are_refused(
    engine: Engine, migrations: Migrations, statement: str, shown: str
) -> None:
    """Nothing is changed; then a person says what they are."""
    SqlAlchemyStore(engine).create_all()
    execute(engine, statement)
    before = shape_of(engine)

    with pytest.raises(MigrationRefused, match="oauthgrants db stamp REVISION") as refused:
        migrations.upgrade()

    assert shown in str(refused.value)
    assert before == shape_of(engine)
    assert migrations.current() is None
    assert migrations.head == migrations.stamp("og0001")
    assert Upgraded(revision=migrations.head) == migrations.upgrade()


def test_a_column_of_another_type_is_refused(engine: Engine, migrations: Migrations) -> None:
    metadata = make_metadata()
    column = metadata.tables["oauth_families"].c.expires_at
    column.type, column.nullable = metadata.tables["oauth_users"].c.active.type, True
    with engine.begin() as connection:
        metadata.create_all(connection)

    with pytest.raises(MigrationRefused, match=r"modify_[a-z]+ oauth_families expires_at"):
        migrations.upgrade()


def test_a_database_of_a_later_version_is_refused(engine: Engine, migrations: Migrations) -> None:
    migrations.upgrade()
    execute(engine, "UPDATE oauth_alembic_version SET version_num = 'og9999'")

    for call in (migrations.upgrade, migrations.current, migrations.stamp):
        with pytest.raises(MigrationRefused, match="'og9999', which this version of oauthgrants"):
            call()


def test_a_revision_that_is_none_is_refused(migrations: Migrations) -> None:
    with pytest.raises(MigrationRefused, match="no revision 'og9999'; there are og0001"):
        migrations.stamp("og9999")

    assert migrations.current() is None


@pytest.mark.parametrize(
    ("prefix", "version_table"), [("auth_", "auth_alembic_version"), ("", "oauth_alembic_version")]
)
def test_tables_may_have_another_prefix(engine: Engine, prefix: str, version_table: str) -> None:
    """What others have there, and their Alembic, stays as it is."""
    execute(
        engine,
        "CREATE TABLE alembic_version (version_num TEXT)",
        "INSERT INTO alembic_version VALUES ('of-the-host')",
        "CREATE TABLE oauth_mine (id BIGINT)",
    )
    migrations = Migrations(engine, prefix=prefix)

    assert migrations.upgrade().applied

    tables = make_metadata(prefix).tables.keys()
    assert {"alembic_version", "oauth_mine", version_table, *tables} == names_in(engine)
    assert Upgraded(revision=migrations.head) == Migrations(engine, prefix=prefix).upgrade()
    with engine.connect() as connection:
        assert "of-the-host" == connection.scalar(text("SELECT version_num FROM alembic_version"))


# A host's own Alembic

ENVIRONMENT = """
from alembic import context
from sqlalchemy import MetaData
from oauthgrants.stores.sqlalchemy import make_tables

metadata = MetaData()
make_tables(metadata, prefix="auth_")
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    oauthgrants_prefix="auth_",
)
with context.begin_transaction():
    context.run_migrations()
"""
HOSTS_OWN = """
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

def upgrade():
    op.create_table("mine", sa.Column("id", sa.Integer, primary_key=True))
"""
TEMPLATE = """
import sqlalchemy as sa
from alembic import op
import oauthgrants.stores.sqlalchemy.tables

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}

def upgrade():
    ${upgrades}

def downgrade():
    ${downgrades}
"""


@pytest.fixture
def host(tmp_path: Path) -> Config:
    """Return the settings of a host's Alembic; its migrations are in ``versions``."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENVIRONMENT)
    (tmp_path / "script.py.mako").write_text(TEMPLATE)
    config = Config()
    config.set_main_option("script_location", str(tmp_path))
    for option in ("path_separator", "version_path_separator"):  # since Alembic 1.16, and before
        config.set_main_option(option, "space")
    return config


def test_a_hosts_alembic_may_run_ours(host: Config, tmp_path: Path, engine: Engine) -> None:
    ours = "oauthgrants:stores/sqlalchemy/migrations/versions"
    host.set_main_option("version_locations", f"{tmp_path / 'versions'} {ours}")
    (tmp_path / "versions" / "mine.py").write_text(HOSTS_OWN)
    tables = make_metadata("auth_").tables.keys()

    with engine.begin() as connection:
        host.attributes["connection"] = connection
        alembic.command.upgrade(host, "heads")
    assert {"alembic_version", "mine", *tables} == names_in(engine)

    with engine.begin() as connection:
        host.attributes["connection"] = connection
        alembic.command.downgrade(host, "oauthgrants@base")
    assert {"alembic_version", "mine"} == names_in(engine)


def test_a_hosts_alembic_may_generate_its_own(host: Config, tmp_path: Path, engine: Engine) -> None:
    """From the tables in its ``MetaData``; then it finds no more differences."""
    with engine.begin() as connection:
        host.attributes["connection"] = connection
        alembic.command.revision(host, "tables of oauthgrants", autogenerate=True)
        alembic.command.upgrade(host, "head")
        alembic.command.check(host)

    assert {"alembic_version", *make_metadata("auth_").tables} == names_in(engine)
    assert 1 == len(list((tmp_path / "versions").glob("*.py")))
