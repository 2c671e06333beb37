"""The words of an item: what full-text search finds it by, and how words are asked for.

Pure. One place for both sides: the store indexes `indexed`, and `serve/` asks for `query`. Both
break up text in the same way, so they agree on what a word is. Whoever changes what `indexed` gives
gives REVISION another number. SQLite's view `_item_texts` says the same in SQL, for other programs.

SQLite's tokenizer takes a run of letters for one word. Scripts that put no space between words
would have a sentence a word, so a zero-width space is put around each of their characters; a
word of several of them is asked for as a phrase. Tried and dropped: the trigram tokenizer, which
needs four times the time and six times the space, and finds no word of two characters, which most
Chinese ones are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import orjson

from projector.search.diacritics import composed, folded

#: How words are cut and folded. An index that was made by another one is emptied, and filled again.
REVISION: Final = 1

#: What FTS5 is to make of a text. Marks belong to words (vowel signs of Thai and of Indic scripts
#: are marks); those that choose how a sign is drawn do not.
TOKENIZER: Final = (
    "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc' separators '\ufe0e\ufe0f'"
)

#: How much is indexed: all items; what people and agents said, as MESSAGES has it; nothing.
Extent = Literal["all", "messages", "off"]

#: Stands between characters that are words of their own. No letter for SQLite, invisible to people.
GAP: Final = "\u200b"

#: An item with more characters is not found by its words: to read it takes many times its size.
LONGEST: Final = 16 * 1024 * 1024

MESSAGES: Final = frozenset(
    {"userMessage", "agentMessage", "plan", "enteredReviewMode", "exitedReviewMode"}
)

# Scripts without spaces between words, and Hangul, whose words carry their particles: Thai, Lao,
# Tibetan, Myanmar, Khmer, kana and bopomofo, ideographs, their compatibility forms.
_ALONE: Final = re.compile(
    "(["
    "\u0e00-\u0eff\u0f00-\u109f\u1100-\u11ff\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf"
    "\u3005-\u3007\u3040-\u30ff\u3100-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U0001aff0-\U0001b16f"
    "\U00020000-\U000323af"
    "])"
)

#: Bytes that UTF-8 has for characters below U+0800 and for the rest of others, and the first byte
#: of those from U+2000 to U+2FFF: dashes, dots, arrows, frames.
_NARROW: Final = bytes((*range(0xE0), 0xE2))

Snapshot = Mapping[str, Any]


class Indexing(NamedTuple):
    """What items are indexed by."""

    extent: str
    """See `Extent`."""
    max_text_bytes: int
    """How much is taken of what an item holds beside words that were said: outputs, diffs,
    arguments and results, in UTF-8."""

    def words(self, kind: str, item: Snapshot) -> str:
        """Give what `indexed` gives for the JSON of an item, which is shorter than `LONGEST`.

        `item`: as orjson reads that JSON.
        """
        if self.extent == "off" or (self.extent == "messages" and kind not in MESSAGES):
            return ""
        return folded(spaced(_whole(_text(kind, item, self.max_text_bytes))))


def indexed(kind: str, item_json: str, extent: str, max_text_bytes: int) -> str:
    """Return the text that an item is indexed by. Total.

    `extent`, `max_text_bytes`: see `Indexing`.
    """
    return folded(shown(kind, item_json, extent, max_text_bytes))


def shown(kind: str, item_json: str, extent: str, max_text_bytes: int) -> str:
    """Return the text that an item is indexed by, with the marks that are folded there.

    It has the same words at the same places.
    """
    if extent == "off" or (extent == "messages" and kind not in MESSAGES):
        return ""
    return spaced(text_of(kind, item_json, max_text_bytes))


def text_of(kind: str, item_json: str, max_text_bytes: int) -> str:
    """Give the words of an item as they are written in it; "" where there are none."""
    if len(item_json) > LONGEST:
        return ""
    try:
        item = orjson.loads(item_json)
    except ValueError:
        return _text_of_odd(kind, item_json, max_text_bytes)
    return _whole(_text(kind, item, max_text_bytes))


def _whole(text: str) -> str:
    """Give a text that SQLite does not take for one that ends earlier."""
    return text.replace("\0", " ") if "\0" in text else text


def spaced(text: str) -> str:
    """Return a text in NFC, with gaps around characters that are words of their own."""
    text = composed(text)
    # Bytes of other characters taken out: what is left tells of these, in a fifth of the time that
    # the expression needs to find none.
    if text.isascii() or not text.encode("utf-8", "surrogatepass").translate(None, _NARROW):
        return text
    return GAP.join(_ALONE.split(text))  # each of them is a part of its own


def query(asked: Sequence[str]) -> str:
    """Write what a person asks for in FTS5's language; "": nothing that could be looked for.

    Words, "phrases in quotes" and beginnings* of words; all must be there. Whatever stands in them,
    it is no operator.
    """
    parts = []
    for text, beginning in asked_parts(asked):
        words = text.replace('"', " ")
        if any(character.isalnum() for character in words):
            parts.append(f'"{words}"{" *" if beginning else ""}')
    return " ".join(parts)


def asked_parts(asked: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Give the words and phrases that are asked for, and whether each is a beginning only."""
    for found in _ASKED.finditer(" ".join(asked).replace("\0", " ")):
        yield folded(spaced(found["phrase"] or found["word"] or "")), bool(found["more"])


# A quote that nobody closed ends with the text.
_ASKED: Final = re.compile(r'(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"*]+))(?P<more>\*?)|\S')


def _text_of_odd(kind: str, item_json: str, max_text_bytes: int) -> str:
    """Read what orjson refuses: half a surrogate pair, too deep, or no JSON at all."""
    try:
        text = _text(kind, json.loads(item_json), max_text_bytes)
    except (ValueError, RecursionError):
        return ""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


def _text(kind: str, item: Any, max_text_bytes: int) -> str:
    """Join an item's words; where its fields are not as expected, all texts that are in it."""
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
    """Give the first characters of a text that take no more than `size` bytes."""
    if len(text) * 4 <= size:
        return text
    if text.isascii():
        return text[:size]
    return text[:size].encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


def _strings(value: Any) -> Iterator[str]:
    """Give all texts in a value, but for the type and the id of an item."""
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
"""What was said, always whole; and what is indexed up to a bound."""


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


#: How fields begin whose text says nothing to people.
_ENCRYPTED: Final = "encrypted"


def _value(value: Any) -> Iterator[str]:
    """Give a JSON value's texts, numbers and truths: its keys are words too."""
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
    """Give the texts of what a tool answered; images and other data have none."""
    for one in content or ():
        if isinstance(one, dict) and isinstance(one.get("text"), str):
            yield one["text"]
        elif isinstance(one, str):
            yield one
