"""What a resource server publishes about itself (RFC 9728)."""

from __future__ import annotations

from typing import Any

import pytest

from oauthgrants import HttpRequest
from resource_support import API, Api, challenge_of
from support import ISSUER, World, error_of

req = pytest.mark.req
WELL_KNOWN = "/.well-known/oauth-protected-resource"


@pytest.fixture
def api(world: World) -> Api:
    return Api(world).configure(publish_metadata=True)


def get(api: Api, url: str, *headers: tuple[str, str], method: str = "GET") -> Any:
    return api.handle(HttpRequest(method=method, url=url, headers=headers))


@req("R9728-3.2-a", "R9728-3.3-a", "R9728-2-a")
def test_what_is_published_by_default(api: Api) -> None:
    response = get(api, API + WELL_KNOWN)

    assert response.status == 200
    assert ("Content-Type", "application/json") in response.headers
    assert ("Cache-Control", "public, max-age=86400") in response.headers
    assert response.json() == {"resource": API, "bearer_methods_supported": ["header"]}
    assert api.resolve(api.server.metadata()) == response.json()


@req("R9728-2-a", "R9728-3.2-a")
def test_what_is_published_follows_the_settings(api: Api) -> None:
    api.configure(
        authorization_servers=[ISSUER],
        scopes_supported="write read",
        allow_body=True,
        allow_query=True,
        metadata={
            "resource_name": "Reports",
            "resource_signing_alg_values_supported": ["ES256"],
            "tls_client_certificate_bound_access_tokens": False,
            "resource_documentation": None,
            "resource_policy_uri": "",
            "authorization_details_types_supported": [],
        },
    )

    assert get(api, API + WELL_KNOWN).json() == {
        "resource": API,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["read", "write"],
        "bearer_methods_supported": ["header", "body", "query"],
        "resource_name": "Reports",
        "resource_signing_alg_values_supported": ["ES256"],
        "tls_client_certificate_bound_access_tokens": False,
    }


@req("R9728-3-a", "R9728-3.3-a", "R9728-5.1-a")
@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://resource.example.com", f"https://resource.example.com{WELL_KNOWN}"),
        ("https://resource.example.com/", f"https://resource.example.com{WELL_KNOWN}"),
        (
            "https://resource.example.com/resource1",
            f"https://resource.example.com{WELL_KNOWN}/resource1",
        ),
        (
            "https://resource.example.com:8443/a/b?c=d",
            f"https://resource.example.com:8443{WELL_KNOWN}/a/b?c=d",
        ),
    ],
)
def test_tv_9728_path(api: Api, resource: str, url: str) -> None:
    api.configure(resource=resource)

    assert api.server.metadata_url == url
    assert get(api, url).json()["resource"] == resource == api.server.resource
    assert f'resource_metadata="{url}"' in str(challenge_of(api.call()))


@pytest.mark.parametrize(
    "url",
    [
        API,
        f"{API}/",
        f"{API}{WELL_KNOWN}",
        f"{API}{WELL_KNOWN}/",
        f"{API}{WELL_KNOWN}/a",
        f"{API}{WELL_KNOWN}/a?b=d",
        f"{API}{WELL_KNOWN}/a/?b=c",
        f"{API}/a{WELL_KNOWN}?b=c",
        "",
        "\x00",
    ],
)
def test_there_is_nothing_elsewhere(api: Api, url: str) -> None:
    api.configure(resource=f"{API}/a?b=c")

    assert error_of(get(api, url)) == (404, "invalid_request")


def test_nothing_is_published_where_that_is_off(api: Api) -> None:
    api.configure(publish_metadata=False)

    assert error_of(get(api, API + WELL_KNOWN)) == (404, "invalid_request")
    assert challenge_of(api.call()) == 'Bearer realm="example"'


@req("R9110-15.5.2-a")
def test_metadata_are_there_to_be_read(api: Api) -> None:
    response = get(api, API + WELL_KNOWN, method="POST")

    assert response.status == 405
    assert ("Allow", "GET, HEAD") in response.headers
    assert get(api, API + WELL_KNOWN, method="HEAD").status == 200


def test_who_has_the_document_gets_it_no_second_time(api: Api) -> None:
    etag = dict(get(api, API + WELL_KNOWN).headers)["ETag"]
    response = get(api, API + WELL_KNOWN, ("If-None-Match", etag))

    assert (response.status, response.body) == (304, b"")
    assert dict(response.headers)["ETag"] == etag


@req("R9728-1.2-a")
@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ("http://api.example.com", "has to be https"),
        ("http://127.0.0.1:8000", "allow_insecure_transport"),
        ("https://api.example.com#part", "without fragment"),
        ("https://api.example.com/#", "without fragment"),
        ("https://", "has to be a URL"),
        ("api.example.com", "has to be a URL"),
        ("urn:example:api", "has to be a URL"),
        ("", "has to be a URL"),
        ("https://api.example.com/\u00e9", "has to be a URL"),
        ('https://api.example.com/\r\n"', "has to be a URL"),
    ],
)
def test_a_resource_is_an_https_url_without_fragment(api: Api, resource: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        api.configure(resource=resource).call()


@req("R9728-1.2-a")
def test_plain_http_is_for_loopback_hosts(api: Api) -> None:
    api.configure(allow_insecure_transport=True)

    assert api.configure(resource="http://127.0.0.1:8000/api").call().status == 401
    with pytest.raises(ValueError, match="loopback hosts only"):
        api.configure(resource="http://api.example.com").call()


@req("R9728-2-a")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metadata": {"resource": "https://evil.example.com"}}, "metadata has resource"),
        ({"metadata": {"scopes_supported": [], "bearer_methods_supported": []}}, "metadata has b"),
        (
            {"metadata": {"resource_signing_alg_values_supported": ["ES256", "none"]}},
            "cannot have none",
        ),
        ({"authorization_servers": ["http://auth.example.com"]}, "has to be https"),
        ({"authorization_servers": ["auth.example.com"]}, "has to be a URL"),
        ({"scopes_supported": 're"ad'}, r"Section 3\.3"),
    ],
)
def test_metadata_that_are_not_true_are_refused(
    api: Api, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        api.configure(**settings).call()
