"""
The migrations, for Alembic to read.

A change of `make_tables` takes another one, ``og0002`` and so on, with the one before it as its
``down_revision``. Without it ``tests/stores/test_migrations.py`` fails, and says what is missing.
"""
