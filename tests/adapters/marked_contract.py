"""The contract of adapters, with the requirements that its tests prove."""

from __future__ import annotations

import pytest

from oauthgrants.testing.adapter_contract import AdapterContract, AsyncAdapterContract, Send

__all__ = ["AdapterContract", "AsyncAdapterContract", "Send"]

for _test, _ids in [
    (AdapterContract.test_a_token_is_issued, ["R6749-2.3.1-a", "R6749-5.1-f", "R6749-5.1-g"]),
    (AdapterContract.test_a_refusal_arrives_with_its_challenge, ["R6749-5.2-d"]),
    (AdapterContract.test_any_method_reaches_the_server, ["R6749-3.2-a", "R9110-15.5.2-a"]),
    (AdapterContract.test_a_repeated_parameter_is_refused, ["R6749-3.2-e"]),
    (AdapterContract.test_two_authorization_fields_are_refused, ["R6749-2.3-a"]),
    (AdapterContract.test_credentials_in_the_query_are_refused, ["R6749-2.3.1-e"]),
    (AdapterContract.test_proxy_headers_are_ignored_by_default, ["R9700-4.13-a"]),
    (
        AdapterContract.test_proxy_headers_of_others_than_the_trusted_proxy_are_ignored,
        ["R9700-4.13-a"],
    ),
    (AdapterContract.test_a_trusted_proxy_is_believed, ["R9700-4.13-a"]),
]:
    pytest.mark.req(*_ids)(_test)
