"""Makes the checks, one after the other, and cleans up after them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from oauthgrants.testing.conformance.catalogue import CHECKS
from oauthgrants.testing.conformance.levels import (
    Check,
    CheckFailed,
    CheckSkipped,
    CutShort,
    NoAnswer,
)
from oauthgrants.testing.conformance.messages import Answer
from oauthgrants.testing.conformance.probe import Probe
from oauthgrants.testing.conformance.results import Exchange, Report, Result, Status
from oauthgrants.testing.conformance.target import Target


def run_conformance(
    target: Target,
    *,
    only: Collection[str] | None = None,
    tell: Callable[[Result], None] | None = None,
) -> Report:
    """
    Check a server over HTTP, and return what came of it.

    At most `Target.max_requests` requests are sent, one at a time; what was issued is revoked
    at the end where that is possible.

    Args:
        target: Which server, and what there is for it.
        only: The names of the checks to make, None for all.
        tell: Is called with each result as it comes; what it looked at is left out then, since
            not all is known yet that has to be masked.

    Raises:
        Unusable: There is nothing to check: nobody answers, or gives the client a token.
        ValueError: A name in *only* is no check.
    """
    chosen = [check for check in CHECKS if only is None or check.name in only]
    if only is not None and (unknown := set(only) - {check.name for check in chosen}):
        raise ValueError(f"there is no check {', '.join(sorted(unknown))}")
    began_at = datetime.now(UTC).replace(microsecond=0)
    probe = Probe(target)
    outcomes = _Outcomes(probe)
    try:
        for check in chosen:
            outcomes.make(check)
            if tell is not None:
                tell(outcomes.last)
    finally:
        remaining = probe.clean_up()
    return Report(
        server=target.issuer or probe.found.token,
        client_id=target.client_id,
        auth_method=target.auth_method,
        began_at=began_at,
        results=outcomes.results(),
        requests=probe.requests,
        wrong=probe.wrong,
        remaining=remaining,
        cut_short=outcomes.cut_short,
    )


class _Outcomes:
    """What comes of the checks."""

    def __init__(self, probe: Probe) -> None:
        self.cut_short = ""
        self._probe = probe
        self._made: list[tuple[Check, Status, str]] = []
        self._shown: list[list[Answer]] = []

    @property
    def last(self) -> Result:
        check, status, why = self._made[-1]
        return Result(check, status, self._probe.masker.clean(why), ())

    def make(self, check: Check) -> None:
        """Make one."""
        status, why = self._try(check)
        self._made.append((check, status, why))
        self._shown.append(self._probe.shown())

    def results(self) -> tuple[Result, ...]:
        """Return what came, masked: by now everything is known that has to be."""
        masker = self._probe.masker
        return tuple(
            Result(
                check,
                status,
                masker.clean(why),
                tuple(
                    Exchange(masker.show_request(each), masker.show_response(each))
                    for each in shown
                ),
            )
            for (check, status, why), shown in zip(self._made, self._shown, strict=True)
        )

    def _try(self, check: Check) -> tuple[Status, str]:
        if self.cut_short:
            return Status.SKIPPED, self.cut_short
        try:
            check.run(self._probe)
        except CheckFailed as failure:
            return Status.FAILED, str(failure)
        except NoAnswer as silence:
            return Status.FAILED, f"no answer: {silence}"
        except CheckSkipped as skipped:
            return Status.SKIPPED, str(skipped)
        except CutShort as end:
            self.cut_short = str(end)
            return Status.SKIPPED, self.cut_short
        return Status.PASSED, ""
