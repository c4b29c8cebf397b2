"""The metadata of a protected resource (RFC 9728)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from oauthgrants.endpoints.documents import DocumentEndpoint
from oauthgrants.endpoints.metadata import GeneratedMember
from oauthgrants.errors import InvalidRequest
from oauthgrants.wire import HttpRequest, HttpResponse, render_error


class NoSuchDocument(InvalidRequest):
    """There is nothing at this URL (RFC 9110, 15.5.5)."""

    status = 404


@attrs.frozen(kw_only=True)
class ResourceMetadataEndpoint:
    """
    Serves the metadata and nothing else.

    Attributes:
        url: Where they are (RFC 9728, 3.1), None for nowhere.
        document: Answers there.
    """

    url: str | None
    document: DocumentEndpoint

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Return the metadata, 404 if *request* asks for something else."""
        if self.url is not None:
            here = urlsplit(self.url)
            # A resource with a query has it in the URL of its metadata too.
            query = request.url.partition("?")[2]
            if request.path == here.path and here.query in {"", query}:
                return await self.document.answer(request)
        return render_error(NoSuchDocument("there is no such document"))


def generate_resource_metadata(
    settings: Mapping[str, Any], *, added: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Return the metadata document (RFC 9728, 2), without the members that are empty (3.2).

    Args:
        settings: Members that the resource server has settings for.
        added: What the host adds.

    Raises:
        ValueError: The host would replace one of *settings*, or names ``none`` as an algorithm.
    """
    replaced = sorted(settings.keys() & added.keys())
    if replaced:
        raise GeneratedMember(*replaced)
    if "none" in (added.get("resource_signing_alg_values_supported") or ()):
        raise ValueError(
            "resource_signing_alg_values_supported cannot have none (RFC 9728, Section 2)"
        )
    empty: tuple[Any, ...] = (None, "", [], (), {})
    members = {**settings, **added}
    return {name: value for name, value in members.items() if value not in empty}
