"""Documents that anybody may read and keep for a while: metadata and keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from oauthgrants.brief import service
from oauthgrants.errors import Headers, InvalidRequest, TemporarilyUnavailable
from oauthgrants.events import Event, Fault
from oauthgrants.ports import Clock
from oauthgrants.wire import HttpRequest, HttpResponse, encode_json, render_error

_READ_METHODS = "GET, HEAD"


class ReadOnly(InvalidRequest):
    """The document takes GET and HEAD alone (RFC 9110, 15.5.6)."""

    status = 405
    headers: Headers = (("Allow", _READ_METHODS),)


@service(kw_only=True)
class DocumentEndpoint:
    """
    Serves a JSON document by GET and HEAD (RFC 8414, 3.2; RFC 7517, 5; RFC 9728, 3.2).

    Attributes:
        name: What events call it.
        make: Returns the document as it is now.
        max_age: For how many seconds it may be kept.
        clock: Tells the time.
        record: Reports events.
    """

    name: str
    make: Callable[[], Mapping[str, Any]]
    max_age: int
    clock: Clock
    record: Callable[[Event], None]

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Return the document, or 304 if the client has it already (RFC 9110, 13.1.2)."""
        if request.method not in {"GET", "HEAD"}:
            return render_error(ReadOnly("the method has to be GET"))
        try:
            body = encode_json(self.make()).encode()
        except Exception as error:
            self.record(
                Fault(at=self.clock(), source=request.source, error=error, endpoint=self.name)
            )
            return render_error(TemporarilyUnavailable("try again later"))
        etag = f'"{sha256(body).hexdigest()[:32]}"'
        headers = (("Cache-Control", f"public, max-age={self.max_age}"), ("ETag", etag))
        if _is_known(etag, ",".join(request.get_headers("if-none-match"))):
            return HttpResponse(status=304, headers=headers)
        return HttpResponse(
            status=200, headers=(("Content-Type", "application/json"), *headers), body=body
        )


def _is_known(etag: str, known: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return etag in tags or "*" in tags
