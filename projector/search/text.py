"""Extract the searchable text of an item, and translate queries for it.

Pure. Used by both sides: the store indexes `indexed`, and `serve/` searches with `query`. Both
split text in the same way, so they agree on what a word is. Increase REVISION whenever the result
of `indexed` changes. SQLite's view `_item_texts` computes the same text in SQL, for other programs.

SQLite's tokenizer treats a run of letters as one word. Scripts without spaces between words would
have one word per sentence, so a zero-width space is put around each of their characters; a word of
several characters is searched as a phrase. Tried and rejected: the trigram tokenizer, which needs
four times the time and six times the space, and finds no word of two characters, as most Chinese
words are.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple

import orjson

from projector.search.diacritics import composed, folded, has_other_bytes

#: Version of the splitting and folding. An index of another version is deleted and filled again.
REVISION: Final = 1

#: FTS5 tokenizer settings. Marks belong to words (vowel signs of Thai and of Indic scripts are
#: marks); variation selectors do not.
TOKENIZER: Final = (
    "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc' separators '\ufe0e\ufe0f'"
)

#: What is indexed: all items; what people and agents said (see MESSAGES); nothing.
Extent = Literal["all", "messages", "off"]

#: Separates characters that are words of their own. Not a letter for SQLite, invisible to people.
GAP: Final = "\u200b"

#: Longer items, in characters, are not indexed: decoding one takes many times its size.
LONGEST: Final = 16 * 1024 * 1024

#: How much of a long item's JSON is copied at a time.
_PIECE: Final = 1024 * 1024
#: Bytes of UTF-8 that begin no character.
_CONTINUATION: Final = bytes(range(0x80, 0xC0))

MESSAGES: Final = frozenset(
    {"userMessage", "agentMessage", "plan", "enteredReviewMode", "exitedReviewMode"}
)

# Scripts without spaces between words, and Hangul, whose words include particles: Thai, Lao,
# Tibetan, Myanmar, Khmer, kana and bopomofo, ideographs, their compatibility forms.
_ALONE: Final = (
    "["
    "\u0e00-\u0eff\u0f00-\u109f\u1100-\u11ff\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf"
    "\u3005-\u3007\u3040-\u30ff\u3100-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U0001aff0-\U0001b16f"
    "\U00020000-\U000323af"
    "]"
)

#: UTF-8 bytes of characters below U+0800 and continuation bytes, and the first byte of U+2000 to
#: U+2FFF: dashes, dots, arrows, frames.
_NARROW: Final = bytes((*range(0xE0), 0xE2))

#: Those of characters below U+0300.
_PLAIN: Final = bytes(range(0xCC))

Snapshot = Mapping[str, Any]


class Indexing(NamedTuple):
    """Extent of the full-text index."""

    extent: str
    """See `Extent`."""
    max_text_bytes: int
    """Maximum text, in bytes of UTF-8, from outputs, diffs, arguments and results of one item.

    Spoken text is not limited.
    """
    as_vector: bool = False
    """True if words are those of PostgreSQL: see `tsvector.vector`."""

    def words(self, kind: str, item: Snapshot) -> bytes:
        """Return the result of `indexed`, in UTF-8, for an item's JSON shorter than `LONGEST`.

        `item`: the JSON decoded by orjson. As a vector it is the vector of that; empty: no words.
        """
        text = self._text(kind, item)
        if not self.as_vector or not text:
            return text
        from projector.search.tsvector import vector  # noqa: PLC0415 - it needs this module

        return vector(text) or b""

    def _text(self, kind: str, item: Snapshot) -> bytes:
        if self.leaves_out(kind):
            return b""
        text = _whole(_text(kind, item, self.max_text_bytes))
        if text.isascii():
            return text.encode()
        if len(text) > _PIECE:
            return folded(spaced(text)).encode()
        data = text.encode()
        if not data.translate(None, _PLAIN):
            return data  # in NFC; no character is a word of its own, or has a mark
        # Few lines have others, and what is done to those ends with a line.
        lines = [line if line.isascii() else folded(spaced(line)) for line in text.split("\n")]
        return "\n".join(lines).encode()

    def words_of(self, kind: str, item_json: str | bytes) -> bytes | None:
        """Return the result of `indexed`, in UTF-8, for an item's JSON; None: ask `indexed`."""
        if self.leaves_out(kind) or is_too_long(item_json):
            return b""
        with suppress(ValueError):
            return self.words(kind, orjson.loads(item_json))
        return None

    def leaves_out(self, kind: str) -> bool:
        """True if no item of this type is indexed."""
        return self.extent == "off" or (self.extent == "messages" and kind not in MESSAGES)


def indexed(kind: str, item_json: str, extent: str, max_text_bytes: int) -> str:
    """Return the text under which an item is indexed. Never fails.

    `extent`, `max_text_bytes`: see `Indexing`.
    """
    words = Indexing(extent, max_text_bytes).words_of(kind, item_json)
    if words is None:
        return folded(shown(kind, item_json, extent, max_text_bytes))
    return words.decode()


def shown(kind: str, item_json: str, extent: str, max_text_bytes: int) -> str:
    """Return the indexed text of an item with its diacritics.

    Has the same words at the same positions.
    """
    if Indexing(extent, max_text_bytes).leaves_out(kind):
        return ""
    return spaced(text_of(kind, item_json, max_text_bytes))


def text_of(kind: str, item_json: str, max_text_bytes: int) -> str:
    """Return the text of an item as written; "" if it has none."""
    if is_too_long(item_json):
        return ""
    try:
        item = orjson.loads(item_json)
    except ValueError:
        return _text_of_odd(kind, item_json, max_text_bytes)
    return _whole(_text(kind, item, max_text_bytes))


def is_too_long(item_json: str | bytes) -> bool:
    """True if an item has no words for its length; takes no second copy of its JSON, UTF-8."""
    if len(item_json) <= LONGEST or isinstance(item_json, str):
        return len(item_json) > LONGEST
    characters = 0
    for at in range(0, len(item_json), _PIECE):
        characters += len(item_json[at : at + _PIECE].translate(None, _CONTINUATION))
    return characters > LONGEST


def _whole(text: str) -> str:
    """Return a text without characters at which SQLite would end it early."""
    return text.replace("\0", " ") if "\0" in text else text


def spaced(text: str) -> str:
    """Return a text in NFC, with gaps around characters that are words of their own."""
    text = composed(text)
    # Delete the bytes of other characters: the rest shows whether the expression can match, in a
    # fifth of the time that the expression itself needs to find nothing.
    if not has_other_bytes(text, _NARROW):
        return text
    parts = _alone().split(text)
    parts[1::2] = map((GAP + GAP).join, parts[1::2])  # each match is a run of them
    return GAP.join(parts)


@functools.cache
def _alone() -> re.Pattern[str]:
    """Return the expression for runs of `_ALONE`: it takes a while to make, and few need it."""
    return re.compile(f"({_ALONE}+)")


def query(asked: Sequence[str]) -> str:
    """Translate a search into FTS5's query language; "" if it contains no words.

    Words, "quoted phrases" and prefixes*; all must match. Operators are not interpreted.
    """
    parts = []
    for text, beginning in asked_parts(asked):
        words = text.replace('"', " ")
        if any(character.isalnum() for character in words):
            parts.append(f'"{words}"{" *" if beginning else ""}')
    return " ".join(parts)


def asked_parts(asked: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield each word or phrase of a search, and True if it is a prefix."""
    for found in _ASKED.finditer(" ".join(asked).replace("\0", " ")):
        yield folded(spaced(found["phrase"] or found["word"] or "")), bool(found["more"])


# An unclosed quote ends with the text.
_ASKED: Final = re.compile(r'(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"*]+))(?P<more>\*?)|\S')


def _text_of_odd(kind: str, item_json: str, max_text_bytes: int) -> str:
    """Read JSON that orjson rejects: half a surrogate pair, too deep, or not JSON."""
    try:
        text = _text(kind, json.loads(item_json), max_text_bytes)
    except (ValueError, RecursionError):
        return ""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


def _text(kind: str, item: Any, max_text_bytes: int) -> str:
    """Join the texts of an item; if its fields are not as expected, all strings in it."""
    write = _KINDS.get(kind)
    if write is not None:
        try:
            said, beside = write(item)
            return _joined(said, beside, max_text_bytes)
        except (KeyError, TypeError, AttributeError):
            pass
    return _joined((), list(_strings(item)), max_text_bytes)


def _joined(said: Iterable[str | None], beside: Sequence[str | None], max_text_bytes: int) -> str:
    words = "\n".join([text for text in said if text])
    if max_text_bytes <= 0 or not beside:
        return words
    more = _cut("\n".join([text for text in beside if text]), max_text_bytes)
    return f"{words}\n{more}" if words and more else words or more


def _cut(text: str, size: int) -> str:
    """Return the longest prefix of a text that takes at most `size` bytes."""
    if len(text) * 4 <= size:
        return text
    if text.isascii():
        return text[:size]
    return text[:size].encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


def _strings(value: Any) -> Iterator[str]:
    """Yield all strings of a value except the type and id of an item."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [
                one[key]
                for key in reversed(one)
                if key not in {"type", "id"} and not key.startswith(_ENCRYPTED)
            ]
        elif isinstance(one, list):
            waiting += reversed(one)


Words = tuple[Iterable[str | None], Sequence[str | None]]
"""Text that was said, always complete; and other text, indexed up to a limit."""


def _user(item: Snapshot) -> Words:
    return [
        part["text"] if part.get("type") == "text" else part.get("name") for part in item["content"]
    ], ()


def _agent(item: Snapshot) -> Words:
    said = [item["text"]]
    for asked in item.get("questions") or ():
        said += [asked["title"], *(asked["options"] or ())]
    return said, ()


def _reasoning(item: Snapshot) -> Words:
    return [*item["summary"], *item["content"]], ()


def _text_field(item: Snapshot) -> Words:
    return [item["text"]], ()


def _review(item: Snapshot) -> Words:
    return [item["review"]], ()


def _hook(item: Snapshot) -> Words:
    return [one["text"] for one in item["fragments"]], ()


def _command(item: Snapshot) -> Words:
    return [item["command"]], [item.get("aggregatedOutput")]


def _files(item: Snapshot) -> Words:
    names: list[str | None] = []
    for change in item["changes"]:
        names += [change["path"], change["kind"].get("move_path")]
    return names, [change["diff"] for change in item["changes"]]


def _mcp(item: Snapshot) -> Words:
    result = item.get("result") or {}
    error = item.get("error") or {}
    beside = [*_value(item["arguments"]), *_contents(result.get("content"))]
    beside += _value(result.get("structuredContent"))
    return [item["server"], item["tool"], error.get("message")], beside


def _tool(item: Snapshot) -> Words:
    beside = [*_value(item["arguments"]), *_contents(item.get("contentItems"))]
    return [item.get("namespace"), item["tool"]], beside


def _output(item: Snapshot) -> Words:
    output = item["output"]
    beside = [output] if isinstance(output, str) else [*_contents(output)]
    return [item.get("namespace"), item["name"]], beside


def _agents(item: Snapshot) -> Words:
    states = (item.get("agentsStates") or {}).values()
    return [item["tool"], item.get("prompt")], [state.get("message") for state in states if state]


def _sub_agent(item: Snapshot) -> Words:
    return [item["agentPath"]], ()


def _web(item: Snapshot) -> Words:
    action = item.get("action") or {}
    said = [item["query"], *(action.get("queries") or ())]
    said += [action.get(key) for key in ("url", "pattern")]
    return dict.fromkeys(said), ()


def _image_view(item: Snapshot) -> Words:
    return [item["path"]], ()


def _image_made(item: Snapshot) -> Words:
    return [item.get("savedPath"), item.get("revisedPrompt")], ()


def _nothing(_item: Snapshot) -> Words:
    return (), ()


_KINDS: Final[Mapping[str, Callable[[Snapshot], Words]]] = {
    "userMessage": _user,
    "agentMessage": _agent,
    "reasoning": _reasoning,
    "plan": _text_field,
    "commandExecution": _command,
    "fileChange": _files,
    "mcpToolCall": _mcp,
    "dynamicToolCall": _tool,
    "functionCallOutput": _output,
    "collabAgentToolCall": _agents,
    "subAgentActivity": _sub_agent,
    "webSearch": _web,
    "imageView": _image_view,
    "imageGeneration": _image_made,
    "sleep": _nothing,
    "hookPrompt": _hook,
    "enteredReviewMode": _review,
    "exitedReviewMode": _review,
    "contextCompaction": _nothing,
}


#: Prefixes of fields whose text means nothing to people.
_ENCRYPTED: Final = "encrypted"


def _value(value: Any) -> Iterator[str]:
    """Yield the strings, numbers and booleans of a JSON value, and its keys."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            for key in reversed(one):
                if not key.startswith(_ENCRYPTED):
                    waiting += (one[key], key)
        elif isinstance(one, list):
            waiting += reversed(one)
        elif one is not None:
            yield json.dumps(one)


def _contents(content: Any) -> Iterator[str]:
    """Yield the texts of a tool's result; images and other data have none."""
    for one in content or ():
        if isinstance(one, dict) and isinstance(one.get("text"), str):
            yield one["text"]
        elif isinstance(one, str):
            yield one
