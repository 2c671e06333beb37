"""Which words are found by which: normal forms, marks, scripts; the same on both engines."""

from __future__ import annotations

import unicodedata
from typing import Literal

import orjson
import pytest

from projector.search import text as words
from projector.search import tsvector as lexemes
from projector.serve.search.hits import BEGIN, END
from projector.serve.search.snippets import Snippets
from tests.contract.backends import Backend, PostgresBackend, Queried, Run
from tests.support.makers import batch, file_of, item

MEET = [
    # what is written      what is asked for
    ("한글파일.txt",        ["한글파일", "한글", "파일.txt"]),
    ("ガイド.md",           ["ガイド", "イド"]),
    ("ぱんだ",              ["ぱんだ", "んだ"]),
    ("Übersicht.pdf",      ["ubersicht", "ÜBERSICHT", "übers*"]),
    ("Tiếng Việt",         ["tieng", "VIET", "tiếng việt"]),
    ("İstanbul straße",    ["istanbul", "straße"]),
    ("Å Ω K",              ["\u212b", "\u2126", "\u212a", "a", "ω", "k"]),
    ("καφές ΚΑΦΈΣ",        ["καφες", "ΚΑΦΕΣ", "καφέσ"]),
    ("ᾠδή Ὀδυσσεύς",       ["ωδη", "οδυσσευς"]),
    ("ёлка Ёж",            ["елка", "ёлка", "ЕЛКА", "еж"]),
    ("за\u0301мок",        ["замок"]),  # noqa: RUF001 - Cyrillic is meant
    ("йод",                ["йод", "ЙОД"]),
    ("Київ їжак",          ["київ", "їжак"]),
    ("שָׁלוֹם",               ["שלום", "שָׁלוֹם"]),
    ("مُحَمَّد",              ["محمد", "مُحمد"]),
    ("किताब कीताब",          ["किताब", "कीताब"]),
    ("กิน กาน",             ["กิน", "กาน"]),
    ("తెలుగు",              ["తెలుగు"]),
    ("☕️ tea",              ['"☕ tea"', '"☕️ tea"', "tea"]),
]  # fmt: skip
APART = [
    ("йод",                ["иод", "и*"]),
    ("Київ",               ["киів"]),
    ("が",                  ["か"]),
    ("ガ",                  ["カ"]),
    ("ぱ",                  ["は", "ば"]),
    ("किताब",               ["कताब", "कीताब", "कत"]),
    ("กิน",                 ["กน", "กาน"]),
    ("హైదరాబాద్",           ["హదరబద"]),
    ("أمل",                ["امل"]),
    ("straße",             ["strase"]),
    ("한글",                ["할글", "하글"]),
]  # fmt: skip
FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


def found(store: Queried, backend: Backend, run: Run, asked: str) -> list[str]:
    if isinstance(backend, PostgresBackend):
        sql, query = "search @@ ?::tsquery", lexemes.query([asked])
    else:
        sql, query = "search MATCH ?", words.query([asked])
    rows = run(store.query(f"SELECT item_id FROM search WHERE {sql}", (query,))) if query else []
    return [name for (name,) in rows]


@pytest.mark.parametrize("form", FORMS)
def test_words_that_meet_and_words_that_do_not(
    store: Queried, backend: Backend, run: Run, form: Literal["NFC", "NFD"]
) -> None:
    """Written in one form, asked for in both."""
    cases = [(text, asked, True) for text, asked in MEET]
    cases += [(text, asked, False) for text, asked in APART]
    rows = [
        item(1, str(number), number, kind="plan",
             json=orjson.dumps({"text": unicodedata.normalize(form, text)}).decode())
        for number, (text, _, _) in enumerate(cases)
    ]  # fmt: skip
    run(store.configure_search("all", 8192))
    run(store.commit([batch(file_of(1), rows)]))

    wrong = [
        (text, one, of)
        for number, (text, asked, meets) in enumerate(cases)
        for one in asked
        for of in FORMS
        if (str(number) in found(store, backend, run, unicodedata.normalize(of, one))) is not meets
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("text", "asked", "snippet"),
    [
        ("ένας καφές εδώ", "καφες", "ένας [καφές] εδώ"),
        ("наша ёлка", "елка", "наша [ёлка]"),
        (unicodedata.normalize("NFD", "ein Überblick"), "uberblick", "ein [Überblick]"),
    ],
)  # fmt: skip
def test_a_snippet_has_the_marks_that_were_written(text: str, asked: str, snippet: str) -> None:
    snippets = Snippets(words.query([asked]))
    cut = snippets.of(words.shown("plan", orjson.dumps({"text": text}).decode(), "all", 99))
    snippets.close()

    assert cut is not None
    assert cut.replace(BEGIN, "[").replace(END, "]") == snippet
