"""What PostgreSQL cannot hold goes in and comes out whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.store.postgres import text as escapes
from projector.store.postgres.text import LEAD

PIECES = st.sampled_from(
    [
        *("\\u0000", "\\\\", "\\\\u0000", "\\ud83d", "\\uDE00", "\\ud83d\\ude00", LEAD, "\\uf8f0"),
        *("0000", "a", '\\"', "\\u00e9", LEAD + "0000", "\\\\\\u0000"),
    ]
)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (r'{"a":"b"}', r'{"a":"b"}'),
        (r'"a\u0000b"', f'"a{LEAD}0000b"'),
        (r'"a\\u0000b"', r'"a\\u0000b"'),
        (r'"a\\\u0000b"', rf'"a\\{LEAD}0000b"'),
        (r'"\ud83d"', f'"{LEAD}d83d"'),
        (r'"\uDE00"', f'"{LEAD}DE00"'),
        (r'"\ud83d\ude00"', r'"\ud83d\ude00"'),
        (r'"\ud83d\ud83d\ude00"', rf'"{LEAD}d83d\ud83d\ude00"'),
        (f'"{LEAD}0000"', f'"{LEAD}f8f00000"'),
    ],
)
def test_json(written: str, kept: str) -> None:
    assert escapes.of_json(written) == kept
    assert escapes.plain_json(kept) == written


@given(pieces=st.lists(PIECES))
def test_any_json_comes_back(pieces: list[str]) -> None:
    written = '"' + "".join(pieces) + '"'
    kept = escapes.of_json(written)

    assert escapes.plain_json(kept) == written
    json.loads(kept).encode()  # no half pairs
    assert "\0" not in json.loads(kept)


@given(value=st.text(st.sampled_from(["\0", LEAD, "0", "a", "é", "\\", '"'])))
def test_any_text_comes_back(value: str) -> None:
    kept = escapes.text(value)

    assert "\0" not in kept
    assert escapes.plain(kept) == value
    assert escapes.plain_json(escapes.of_no_json(value)) == value
