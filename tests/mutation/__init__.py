"""
Does a test fail when the core is changed a little? ``python -m tests.mutation`` finds out.

mutmut says what can be changed (`mutants`). What runs them is our own (`running`): the tests are
collected once and run once, to see which of them reach which line; for each mutant a forked process
gives the function the code with the change, and runs what reaches it until a test fails. No file is
changed, and a mutant costs a fraction of a second.

What no test notices stands in ``survivors.toml``, with the reason. ``docs/mutation-testing.md``
shows that, and the rates (`report`).
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path("src/oauthgrants")

SCOPE = (
    "client_auth",
    "endpoints",
    "forms.py",
    "granting.py",
    "grants",
    "issuing.py",
    "scopes.py",
    "sender_constraints",
)
"""What is mutated: modules, and folders with all that is in them."""

TESTS = (
    "tests/test_attempts.py",
    "tests/test_client_assertions.py",
    "tests/test_client_auth.py",
    "tests/test_colours.py",
    "tests/test_dpop_proofs.py",
    "tests/test_dpop_resources.py",
    "tests/test_dpop_tokens.py",
    "tests/test_events.py",
    "tests/test_grants.py",
    "tests/test_introspection_revocation.py",
    "tests/test_key_files.py",
    "tests/test_memory_store.py",
    "tests/test_metadata_and_formats.py",
    "tests/test_mutual_tls.py",
    "tests/test_oauth21_profile.py",
    "tests/test_policy.py",
    "tests/test_resource_metadata.py",
    "tests/test_rfc6749_examples.py",
    "tests/test_second_factor.py",
    "tests/test_security_promises.py",
    "tests/test_server.py",
    "tests/test_throttling.py",
    "tests/test_token_endpoint.py",
    "tests/test_values.py",
)
"""What has to notice: no server over HTTP, no store but the one in memory, no examples."""

ARROW = " => "
"""Between what was and what is, where a change is told; no Python has it."""


def find_modules(names: tuple[str, ...] = SCOPE) -> list[str]:
    """Return the paths below the package of the modules that *names* stand for."""
    paths = [
        path
        for name in names
        for path in ([PACKAGE / name] if name.endswith(".py") else (PACKAGE / name).rglob("*.py"))
    ]
    return sorted(path.relative_to(PACKAGE).as_posix() for path in paths)
