"""Secrets are hidden by their values, in each spelling, and words of the language stay."""

from __future__ import annotations

import json
import string
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projector.model import redaction
from projector.model.redaction import ANYWHERE, WORD, Redactor, redact, redact_document
from projector.store.postgres.passwords import passwords


@given(st.text(st.sampled_from(string.printable + "é漢"), min_size=WORD, max_size=12))
@example("00 >")
@example("0000000000 x")
@example("< 00")
@example("x\u3000y\u00a0z")
def test_a_value_is_found_however_it_is_spelled(value: str) -> None:
    if len(value.strip()) < WORD:
        return
    value = value.strip()
    hide = Redactor([value])
    for text in (
        value,
        quote(value, safe=""),
        "".join(f"%{byte:02x}" for byte in value.encode()),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        " ".join(value.split()),
        value.replace("\\", r"\\").replace("'", r"\'"),
    ):
        assert hide.driver(f"<{text}>") == "<***>"
        if len(value) >= ANYWHERE:
            assert hide(f"x{text}x") == "x***x"


LOG = "store.lost: a connection to 127.0.0.1 was lost; a standby"
SHORT = [
    # password, text, in every message, in what the driver said
    ("a", LOG, LOG, LOG.replace(" a ", " *** ")),
    ("los", LOG, LOG, LOG),
    ("lost", LOG, LOG.replace("lost", "***"), LOG.replace("lost", "***")),
    ("conn", LOG, LOG, LOG),
    ("connection", LOG, LOG.replace("connection", "***"), LOG.replace("connection", "***")),
    ("onnectio", LOG, LOG, LOG),
    ("postgres", "postgresql://postgres@h", "postgresql://***@h", "postgresql://***@h"),
    ("n to 127.0.0", LOG, LOG.replace("n to 127.0.0", "***"), LOG.replace("n to 127.0.0", "***")),
]


@pytest.mark.parametrize(("password", "text", "always", "driver"), SHORT)
def test_a_short_password_does_not_turn_the_log_into_stars(
    password: str, text: str, always: str, driver: str
) -> None:
    hide = Redactor([password])

    assert hide(text) == always
    assert hide.driver(text) == driver


def test_what_was_learned_is_hidden_in_documents_but_for_keys() -> None:
    redaction.learn(["status", ""])

    assert redact("the status is") == "the *** is"
    assert redact_document({"status": ["status", 1, None, {"x": "a status"}]}) == {
        "status": ["***", 1, None, {"x": "a ***"}]
    }


def test_passwords_of_libpqs_own_files(tmp_path: object) -> None:
    from pathlib import Path  # noqa: PLC0415 - for the type below

    folder = Path(str(tmp_path))
    (folder / ".pgpass").write_text(
        "# h:1:d:u:comment\n*:*:*:u:one:two\nh\\:x:1:d:u:th\\:ree\nshort:line\n"
    )
    (folder / ".pg_service.conf").write_text("[s]\nhost=h\npassword = four \nsslpassword=five\n")
    env = {"HOME": str(folder)}

    assert set(passwords({}, env)) == {"one:two", "th\\:ree", "th:ree"}
    assert set(passwords({"service": "s"}, env)) >= {"four", "five"}
    assert set(passwords({"passfile": "/dev/zero"}, env)) == set()
