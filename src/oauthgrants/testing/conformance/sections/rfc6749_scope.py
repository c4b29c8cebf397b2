"""What may be asked for, and what is granted (RFC 6749, 3.3)."""

from __future__ import annotations

from oauthgrants.testing.conformance.expecting import (
    active,
    expect,
    expect_issued,
    expect_refused,
    is_issued,
    scope_of,
    scopes_to_spare,
)
from oauthgrants.testing.conformance.levels import MAY, MUST, SHOULD, CheckSkipped, Section
from oauthgrants.testing.conformance.messages import Answer
from oauthgrants.testing.conformance.probe import Probe

SECTION = Section("RFC 6749, 3.3 Scope")

NO_SCOPE = "no-such-scope-of-the-conformance-kit"


@SECTION.check(MUST, "Without scope there is a default, or invalid_scope", "R6749-3.3-f")
def no_scope_is_default_or_refused(probe: Probe) -> None:
    answer = probe.once("without scope", lambda: probe.ask(scope=None))
    if not is_issued(answer):
        expect_refused(answer, "invalid_scope", what="no scope")


@SECTION.check(
    MUST, "An unknown scope is invalid_scope, or left out and said so", "R6749-3.3-g", "R6749-3.3-e"
)
def unknown_scope_is_not_granted(probe: Probe) -> None:
    _expect_not_granted(probe.ask(scope=_beside(probe, NO_SCOPE)), NO_SCOPE)


@SECTION.check(MUST, "A malformed scope is invalid_scope, or left out and said so", "R6749-3.3-a")
def malformed_scope_is_not_granted(probe: Probe) -> None:
    _expect_not_granted(probe.ask(scope=_beside(probe, 're"ad')), 're"ad')


@SECTION.check(MUST, "Scopes are compared with case", "R6749-3.3-c")
def scope_has_case(probe: Probe) -> None:
    name = min(_granted(probe))
    other = name.swapcase()
    if other == name or other in _granted(probe):
        raise CheckSkipped("the scope has no letters")
    _expect_not_granted(probe.ask(scope=other), other)


@SECTION.check(MUST, "The order of scopes means nothing", "R6749-3.3-d")
def scope_has_no_order(probe: Probe) -> None:
    scopes = scopes_to_spare(probe)
    forth, back = " ".join(scopes), " ".join(reversed(scopes))
    first, second = probe.ask(scope=forth), probe.ask(scope=back)
    expect_issued(second)
    expect(scope_of(first, forth) == scope_of(second, back), "what is granted differs")


@SECTION.check(MAY, "Two spaces between scopes are refused", "R6749-3.3-b")
def doubled_space_is_refused(probe: Probe) -> None:
    """By the grammar; many servers split as they like, which no document forbids."""
    scopes = scopes_to_spare(probe)
    expect_refused(probe.ask(scope="  ".join(scopes)), "invalid_scope", what="two spaces")


@SECTION.check(SHOULD, "A narrower request is granted no more than it asks for", "R6749-4.4.2-b")
def narrow_scope_is_kept_to(probe: Probe) -> None:
    wanted = scopes_to_spare(probe)[0]
    answer = probe.ask(scope=wanted)
    expect_issued(answer)
    granted = scope_of(answer, wanted)
    expect(granted <= {wanted}, f"more is granted: {' '.join(sorted(granted))}")


@SECTION.check(
    MUST, "What is granted differs only if the answer says so", "R6749-3.3-e", "R6749-5.1-e"
)
def scope_is_said_if_it_differs(probe: Probe) -> None:
    """Introspection knows what was granted."""
    known = active(probe).get("scope")
    if not isinstance(known, str):
        raise CheckSkipped("introspection does not say what the scope is")
    said = scope_of(probe.first, probe.target.scope)
    expect(said == frozenset(known.split()), "introspection shows another scope than the answer")


def _granted(probe: Probe) -> frozenset[str]:
    granted = scope_of(probe.first, probe.target.scope)
    if not granted:
        raise CheckSkipped("no scope was granted (--scope)")
    return granted


def _beside(probe: Probe, scope: str) -> str:
    return scope if probe.target.scope is None else f"{probe.target.scope} {scope}"


def _expect_not_granted(answer: Answer, scope: str) -> None:
    if not is_issued(answer):
        expect_refused(answer, "invalid_scope", what="that scope")
        return
    granted = answer.members.get("scope")
    expect(isinstance(granted, str), "it is granted without a word")
    expect(scope not in str(granted).split(), "it is granted")
