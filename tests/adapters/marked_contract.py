"""The contracts of adapters, with the requirements that their tests prove."""

from __future__ import annotations

import pytest

from oauthgrants.testing.adapter_contract import AdapterContract, AsyncAdapterContract, Send
from oauthgrants.testing.guard_contract import METHODS, AsyncGuardContract, GuardContract

__all__ = [
    "METHODS",
    "AdapterContract",
    "AsyncAdapterContract",
    "AsyncGuardContract",
    "GuardContract",
    "Send",
]

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
    (AdapterContract.test_a_certificate_in_a_header_is_ignored_by_default, ["R9700-4.13-a"]),
    (AdapterContract.test_a_trusted_proxy_says_in_which_header_certificates_come, ["R9700-4.13-a"]),
    (
        AdapterContract.test_certificates_of_others_than_the_trusted_proxy_are_ignored,
        ["R9700-4.13-a"],
    ),
    (AdapterContract.test_a_trusted_proxy_hands_on_certificates, ["R9700-4.13-a"]),
    (GuardContract.test_no_token_is_refused, ["R6750-3-a", "R6750-3.1-d"]),
    (GuardContract.test_a_bad_token_is_refused, ["R6750-3-c", "R6750-3.1-b"]),
    (GuardContract.test_too_little_scope_is_refused, ["R6750-3.1-c"]),
    (GuardContract.test_two_authorization_fields_are_refused, ["R6750-3.1-a"]),
    (GuardContract.test_a_form_is_not_searched_by_default, ["R6750-2.2-a"]),
    (GuardContract.test_a_token_in_the_url_is_none_by_default, ["R6750-2.3-a"]),
    (GuardContract.test_a_token_in_the_url_lets_through_where_it_may, ["R6750-2.3-a"]),
    (GuardContract.test_the_source_is_that_behind_a_trusted_proxy_only, ["R9700-4.13-a"]),
    (GuardContract.test_the_metadata_are_where_challenges_say, ["R9728-5.1-a"]),
]:
    pytest.mark.req(*_ids)(_test)
