"""What an item is found by, and how words are asked for."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.search import diacritics
from projector.search import text as words
from projector.search.diacritics import folded
from projector.search.text import GAP

BOUND = 20

ITEMS: list[tuple[str, dict[str, Any], str]] = [
    # type, its fields, the words that it is found by
    ("userMessage",
     {"content": [{"type": "text", "text": "look"}, {"type": "image", "url": "data:xyz"},
                  {"type": "mention", "name": "kettle", "path": "app://1"}]}, "look\nkettle"),
    ("agentMessage",
     {"text": "done", "questions": [{"title": "Tea?", "options": ["green", "black"]}]},
     "done\nTea?\ngreen\nblack"),
    ("reasoning", {"summary": ["short"], "content": ["long"]}, "short\nlong"),
    ("plan", {"text": "first"}, "first"),
    ("commandExecution", {"command": "ls", "aggregatedOutput": "a" * 30}, "ls\n" + "a" * 20),
    ("commandExecution", {"command": "ls", "aggregatedOutput": None}, "ls"),
    ("fileChange",
     {"changes": [{"path": "/a", "kind": {"type": "add"}, "diff": "x" * 15},
                  {"path": "/b", "kind": {"type": "update", "move_path": "/c"}, "diff": "y" * 15}]},
     "/a\n/b\n/c\n" + "x" * 15 + "\n" + "y" * 4),
    ("mcpToolCall",
     {"server": "s", "tool": "t", "arguments": {"k": 1}, "error": {"message": "no"},
      "result": {"content": [{"type": "text", "text": "r"}, {"type": "image", "data": "zz"}]}},
     "s\nt\nno\nk\n1\nr"),
    ("mcpToolCall",
     {"server": "", "tool": "t", "arguments": None, "result": {"content": [],
      "structuredContent": {"tea": [True, None, {"note": "a\nb"}], "encryptedText": "gAAA"}}},
     "t\ntea\ntrue\nnote\na\nb"),
    ("dynamicToolCall",
     {"namespace": None, "tool": "t", "arguments": "a", "contentItems": [{"text": "c"}]},
     "t\na\nc"),
    ("functionCallOutput", {"name": "n", "namespace": "s", "output": "o"}, "s\nn\no"),
    ("collabAgentToolCall",
     {"tool": "wait", "prompt": "go", "agentsStates": {"id": {"status": "x", "message": "m"}}},
     "wait\ngo\nm"),
    ("subAgentActivity", {"agentPath": "/root/x"}, "/root/x"),
    ("webSearch", {"query": "q", "action": {"type": "search", "queries": ["q", "r"]}}, "q\nr"),
    ("webSearch", {"query": "", "action": {"type": "openPage", "url": "http://x"}}, "http://x"),
    ("imageView", {"path": "/p"}, "/p"),
    ("imageGeneration", {"revisedPrompt": "cat", "result": "base64"}, "cat"),
    ("hookPrompt", {"fragments": [{"text": "f"}]}, "f"),
    ("enteredReviewMode", {"review": "v"}, "v"),
    ("exitedReviewMode", {"review": "v"}, "v"),
    ("sleep", {"durationMs": 3}, ""),
    ("contextCompaction", {}, ""),
    ("ofTomorrow", {"say": ["one", {"more": "two"}], "n": 3}, "one\ntwo"),
    ("ofTomorrow", {"say": {"id": "x", "encrypted_content": "gAAA"}, "b": "c"}, "c"),
    ("plan", {"text": ["no", "text"]}, "no\ntext"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    ITEMS,
    ids=[f"{kind} {number}" for number, (kind, *_) in enumerate(ITEMS)],
)
def test_the_words_of_an_item(kind: str, fields: dict[str, Any], expected: str) -> None:
    item = orjson.dumps({"type": kind, "id": "never", **fields}).decode()

    assert words.text_of(kind, item, BOUND) == expected


def test_every_kind_of_item_is_among_them() -> None:
    """The properties below and the tests of the view `_item_texts` take their kinds from here."""
    assert set(words._KINDS) - {kind for kind, *_ in ITEMS} == set()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    kind=st.sampled_from(sorted({kind for kind, *_ in ITEMS})),
    fields=st.dictionaries(
        st.sampled_from(sorted({name for _, fields, _ in ITEMS for name in fields})), JSON
    )
    | st.sampled_from([fields for _, fields, _ in ITEMS]),
    extent=st.sampled_from(["all", "messages", "off"]),
    size=st.integers(0, 40),
)
def test_whoever_has_the_item_makes_the_words_of_its_json(
    kind: str, fields: dict[str, Any], extent: str, size: int
) -> None:
    """The process that reads ahead makes them: the index must not tell who did."""
    item = {"type": kind, "id": "never", **fields}
    item_json = orjson.dumps(item).decode()
    item = orjson.loads(item_json)

    made = words.Indexing(extent, size).words(kind, item).decode()

    assert made == words.indexed(kind, item_json, extent, size)
    assert made.encode() == words.Indexing(extent, size).words_of(kind, item_json.encode())
    assert made == folded(words.shown(kind, item_json, extent, size))


@given(text=st.text(st.characters() | st.sampled_from("茶ไก\u07ff\u0800\u0dff\u0e00é")))
def test_a_text_without_such_characters_is_told_by_its_bytes(text: str) -> None:
    nfc = unicodedata.normalize("NFC", text)

    assert words.spaced(text) == re.sub(words._ALONE, f"{GAP}\\g<0>{GAP}", nfc)


def test_what_was_said_is_never_cut() -> None:
    assert words.text_of("agentMessage", '{"text":"abc"}', 2) == "abc"


@pytest.mark.parametrize("size", range(9))
def test_a_cut_counts_bytes_and_splits_no_character(size: int) -> None:
    item = orjson.dumps({"command": "", "aggregatedOutput": "aé茶x"}).decode()

    found = words.text_of("commandExecution", item, size)

    assert found == {0: "", 1: "a", 2: "a", 3: "aé", 4: "aé", 5: "aé", 6: "aé茶"}.get(size, "aé茶x")


@pytest.mark.parametrize(
    "item_json",
    ["", "{", "[]", "3", "null", '"text"', '{"text":"\\ud800"}', '{"text":"a\\u0000b"}',
     "[" * 100_000, '{"text":' + "[" * 1100 + "]" * 1100 + "}"],
    ids=["nothing", "torn", "list", "number", "null", "text", "half a pair", "NUL",
         "deep", "deep object"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["agentMessage", "fileChange", "mcpToolCall", "new"])
def test_whatever_an_item_holds_there_are_words_or_none(kind: str, item_json: str) -> None:
    """And SQLite can take them: no half surrogate pairs, no NUL."""
    found = words.indexed(kind, item_json, "all", 100)

    assert "\0" not in found
    assert words.Indexing("all", 100).words_of(kind, item_json.encode()) in (None, found.encode())


def test_extents() -> None:
    said, ran = '{"text":"word"}', '{"command":"word"}'

    def found(extent: str) -> list[str]:
        kinds = (("plan", said), ("commandExecution", ran))
        return [words.indexed(kind, item, extent, 9) for kind, item in kinds]

    assert found("all") == ["word", "word"]
    assert found("messages") == ["word", ""]
    assert found("off") == ["", ""]
    # Not even looked at: this would be no JSON.
    assert words.Indexing("off", 9).words_of("plan", b"{") == b""


ASKED = [
    # what is typed                     what FTS5 is asked
    (["green", "tea"],                  '"green" "tea"'),
    (["green tea"],                     '"green" "tea"'),
    (['"green tea"'],                   '"green tea"'),
    (['"green', 'tea"', "cup"],         '"green tea" "cup"'),
    (["brew*"],                         '"brew" *'),
    (['"green te"*'],                   '"green te" *'),
    (['"never closed'],                 '"never closed"'),
    (['a"b'],                           '"a" "b"'),
    (["AND", "OR", "NOT", "NEAR(x)"],   '"AND" "OR" "NOT" "NEAR(x)"'),
    (["text:x", "^y", "-z", "+w"],      '"text:x" "^y" "-z" "+w"'),
    (["*", "--", '""', "☕"],            ""),
    ([],                                ""),
    (["茶道"],                           f'"{GAP}茶{GAP}{GAP}道{GAP}"'),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "expected"), ASKED, ids=[" ".join(a) or "-" for a, _ in ASKED])
def test_how_words_are_asked_for(asked: list[str], expected: str) -> None:
    assert words.query(asked) == expected


def matcher(text: str) -> sqlite3.Connection:
    """Give a database with one text, indexed as items are."""
    db = sqlite3.connect(":memory:")
    db.execute(f'CREATE VIRTUAL TABLE f USING fts5 (text, tokenize = "{words.TOKENIZER}")')
    db.execute("INSERT INTO f VALUES (?)", (folded(words.spaced(text)),))
    return db


def matches(text: str, *asked: str) -> bool:
    db = matcher(text)
    found = db.execute("SELECT 1 FROM f WHERE f MATCH ?", (words.query(asked),)).fetchall()
    db.close()
    return bool(found)


SCRIPTS = [
    # text                          found by                        not by
    ("Der Kessel kocht",            ["KESSEL", "koch*", '"kessel kocht"'], ["kess", '"kocht der"']),
    ("café déjà vu",                ["cafe", "DÉJÀ"],               ["caf"]),
    ("我们在学习茶道。",              ["茶道", "学习", "茶", "我们"],    ["道茶", "茶学"]),
    ("お茶を飲みます",                ["お茶", "飲み", "みま"],          ["茶お"]),
    ("차를 마십니다",                 ["차", "차를", "마십니다"],         ["를차"]),
    ("ชาเขียวร้อน",                   ["เขียว", "ชา"],                ["นร"]),
    ("зелёный чай",                 ["чай", "ЗЕЛЁНЫЙ"],             ["ча"]),
    ("שלום עולם",                   ["עולם"],                       ["עול"]),
    ("हिन्दी चाय",                     ["चाय", "हिन्दी"],                 ["काय"]),
    ("test_kettle.py gpt-5 中文abc",  ["kettle", "test_kettle.py", "gpt-5", "中文abc"], ["kett"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "by", "not_by"), SCRIPTS, ids=[text for text, *_ in SCRIPTS])
def test_words_of_any_script(text: str, by: list[str], not_by: list[str]) -> None:
    assert [one for one in by if not matches(text, one)] == []
    assert [one for one in not_by if matches(text, one)] == []


@given(
    st.lists(st.text() | st.sampled_from(['"', "*", "AND", "(", ")", "NEAR", "^", ":", "-", "{"]))
)
def test_nothing_that_is_typed_is_an_error_of_syntax(asked: list[str]) -> None:
    asked = [one.encode("utf-8", "replace").decode() for one in asked]
    db = matcher("some text")
    found = words.query(asked)
    if found:
        db.execute("SELECT 1 FROM f WHERE f MATCH ?", (found,)).fetchall()
    db.close()


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"], exclude_characters='"*\0'), min_size=1
    )
)
def test_a_text_is_found_by_itself(text: str) -> None:
    """As a phrase, whatever its script, if it has a word at all."""
    query = words.query([f'"{text}"'])
    db = matcher(text)
    tokens = "CREATE VIRTUAL TABLE v USING fts5vocab(f, 'row')"
    db.execute(tokens)
    if query and db.execute("SELECT 1 FROM v").fetchone():
        assert db.execute("SELECT 1 FROM f WHERE f MATCH ?", (query,)).fetchone()
    db.close()


@pytest.mark.parametrize("letter", ["a", "\u00e4", "\u6d77", "\U0001f30d"])
@pytest.mark.parametrize("more", [0, 1])
def test_too_long_is_the_same_of_text_and_of_its_bytes(
    monkeypatch: pytest.MonkeyPatch, letter: str, more: int
) -> None:
    monkeypatch.setattr(words, "LONGEST", 500)
    monkeypatch.setattr(words, "_PIECE", 7)
    text = letter * (500 + more)

    assert words.is_too_long(text) is words.is_too_long(text.encode()) is bool(more)


def test_long_texts_are_looked_at_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces: what is to be folded or put apart may stand in the last one."""
    monkeypatch.setattr(diacritics, "_PIECE", 7)
    before = "\u00e4b" * 10

    assert folded(before + "\u03ac") == before + "\u03b1"
    assert words.spaced(before + "\u6d77\u5cb8") == f"{before}{GAP}\u6d77{GAP}{GAP}\u5cb8{GAP}"
