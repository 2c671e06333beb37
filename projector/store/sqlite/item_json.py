"""How SQLite's rows hold the snapshots of items: without what their columns say already. Pure.

A snapshot begins with the item's type and id, and with what is the same in nearly all of its type:
a tenth of it. `_item_rows` has what follows in `rest`, and the number of the type in `kind`; the
columns `json` and `type` of the view `_items` have the whole. (SQLite computes each generated
column of a table for each row that is written, so that `json` is none of these.) A rest begins
with a comma behind the id; with a quote or a bracket behind `_Form.more`; with a semicolon before
that, if `_Form.end` is left out as well; else it is all there is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

#: Numbers of types, as in the column `type`. An item of another type has its name for a number.
NUMBERS: Final[dict[str, int]] = {
    name: number
    for number, name in enumerate(
        (
            "commandExecution", "reasoning", "agentMessage", "userMessage", "fileChange",
            "mcpToolCall", "webSearch", "functionCallOutput", "dynamicToolCall", "plan",
            "contextCompaction", "collabAgentToolCall", "subAgentActivity", "imageView",
            "imageGeneration", "hookPrompt", "enteredReviewMode", "exitedReviewMode", "sleep",
        ),
        1,
    )
}  # fmt: skip

#: Longer snapshots, in bytes, are stored whole: a copy of them costs more than it saves.
LONG: Final = 1 << 16


class _Form(NamedTuple):
    """What snapshots of a type have in common."""

    opening: str
    """Up to the id."""
    more: bytes = b""
    """Behind the id, up to the first value that is a text or an array."""
    end: bytes = b""


#: As Codex writes nearly all of them.
_FORMS: Final = {
    **{name: _Form(f'{{"type":"{name}","id":"') for name in NUMBERS},
    "commandExecution": _Form(
        '{"type":"commandExecution","id":"', b',"pluginId":null,"scriptPath":null,"command":'
    ),
    "reasoning": _Form('{"type":"reasoning","id":"', b',"summary":', b',"content":[]}'),
    "agentMessage": _Form(
        '{"type":"agentMessage","moderation":null,"id":"',
        b',"text":',
        b',"memoryCitation":null,"delivery":null,"questions":null}',
    ),
    "userMessage": _Form(
        '{"type":"userMessage","id":"',
        b',"clientId":null,"content":',
        b',"text_elements":[]}]}',
    ),
    "fileChange": _Form('{"type":"fileChange","id":"', b',"changes":', b',"status":"completed"}'),
}


def rest_of(kind: str, item_id: str, json: str | bytes) -> str | bytes:
    """Return what is stored of a snapshot: whole if it is long, or begins in another way."""
    if isinstance(json, str):
        data = json.encode("utf-8", "surrogatepass")
        return _rest_of(kind, item_id, data).decode("utf-8", "surrogatepass")
    return _rest_of(kind, item_id, json)


def _rest_of(kind: str, item_id: str, json: bytes) -> bytes:
    form = _FORMS.get(kind)
    if form is None or len(json) > LONG:
        return json
    opening, more, end = form
    begins = f'{opening}{item_id}"'.encode("utf-8", "surrogatepass")
    if not json.startswith(begins):
        return json
    rest = json[len(begins) :]
    if more and rest.startswith((more + b'"', more + b"[")):
        if end and rest.endswith(end):
            return b";" + rest[len(more) : -len(end)]
        return rest[len(more) :]
    return rest if rest.startswith(b",") and kind != "agentMessage" else json
