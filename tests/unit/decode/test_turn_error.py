"""What ended a turn."""

# ruff: noqa: E501 - tables of cases are read across

from __future__ import annotations

from typing import Any

import orjson
import pytest

from projector.decode.errors import DecodeError
from projector.decode.turn_error import error_info, error_json, unknown_members

# fmt: off
CASES: list[tuple[Any, Any]] = [
    (None,                                                     None),
    ("server_overloaded",                                      "serverOverloaded"),
    ("bio_policy",                                             "bioPolicy"),
    ({"bio_policy": None},                                     "bioPolicy"),
    ({"server_overloaded": None},                              "serverOverloaded"),
    ("serverOverloaded",                                       "other"),
    ({"later": 5},                                             "other"),
    ({"http_connection_failed": {}},                           {"httpConnectionFailed": {"httpStatusCode": None}}),
    ({"response_stream_disconnected": {"http_status_code": 502}}, {"responseStreamDisconnected": {"httpStatusCode": 502}}),
    ({"active_turn_not_steerable": {"turn_kind": "review"}},   {"activeTurnNotSteerable": {"turnKind": "review"}}),
]  # fmt: skip
# fmt: on


@pytest.mark.parametrize(("info", "shown"), CASES)
def test_error_info(info: Any, shown: Any) -> None:
    assert shown == error_info(info)


@pytest.mark.parametrize(
    "info",
    [
        5, True, [], {}, {"a": 1, "b": 2}, "http_connection_failed", "active_turn_not_steerable",
        {"http_connection_failed": {"http_status_code": 65536}}, {"http_connection_failed": None},
        {"active_turn_not_steerable": {"turn_kind": "goal"}}, {"other": 1},
    ],
)  # fmt: skip
def test_forms_that_codex_refuses(info: Any) -> None:
    with pytest.raises(DecodeError):
        error_info(info)


KEYS = {"codexErrorInfo": None, "additionalDetails": None, "misalignment": None}
HTTP = {"http_connection_failed": {"http_status_code": 502, "request_id": "r"}}

# fmt: off
#: Members of an error, of its `error_json`, and the names of those that are not known.
WHOLE: list[tuple[Any, Any, list[str]]] = [
    ({}, {}, []),
    ({"codex_error_info": "other"}, {"codexErrorInfo": "other"}, []),
    ({"codex_error_info": {"other": None}}, {"codexErrorInfo": "other"}, []),
    ({"codex_error_info": "invalid_prompt"}, {"codexErrorInfo": "other"}, []),
    ({"retry_at": 5}, {"retryAt": 5}, ["error.retry_at (retryAt)"]),
    ({"additional_details": "a"}, {"additional_details": "a"}, ["error.additional_details"]),
    ({"misalignment": {}}, {"misalignment_": {}}, ["error.misalignment (misalignment_)"]),
    ({"codex_error_info": "later"}, {"codexErrorInfo": "other", "codex_error_info": "later"}, ["error.codex_error_info"]),
    ({"codex_error_info": {"later": {"a": 1}}}, {"codexErrorInfo": "other", "codex_error_info": {"later": {"a": 1}}}, ["error.codex_error_info.later"]),
    ({"codex_error_info": HTTP}, {"codexErrorInfo": {"httpConnectionFailed": {"httpStatusCode": 502, "requestId": "r"}}},
     ["error.codex_error_info.http_connection_failed.request_id (requestId)"]),
]
# fmt: on


@pytest.mark.parametrize(("error", "shown", "names"), WHOLE)
def test_an_error_has_all_of_its_keys_and_what_is_not_known(
    error: Any, shown: Any, names: list[str]
) -> None:
    error = {"message": "m", **error}

    assert orjson.loads(error_json(error)) == {"message": "m", **KEYS, **shown}
    assert list(unknown_members(error)) == names


@pytest.mark.parametrize("error", [None, "m", {}, {"message": None}])
def test_an_error_without_a_message_is_refused(error: Any) -> None:
    with pytest.raises(DecodeError):
        error_json(error)
