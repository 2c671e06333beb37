"""How SQLite's rows hold the snapshots of items: without what their columns say already. Pure.

A snapshot begins with the item's type and id, a tenth of a short one. `_item_rows` has what follows
in `rest`, and the number of the type in `kind`; its columns `json` and `type`, which SQLite
computes when they are read, have the whole.
"""

from __future__ import annotations

from typing import Final

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

#: How snapshots begin, up to their id, and what stands before the rest in place of that.
_BEGINS: Final = {
    **{name: (f'{{"type":"{name}","id":"', b"") for name in NUMBERS},
    # Without moderation, as nearly all.
    "agentMessage": ('{"type":"agentMessage","moderation":null,"id":"', b";"),
}


def rest_of(kind: str, item_id: str, json: str | bytes) -> str | bytes:
    """Return what is stored of a snapshot: whole if it is long, or begins in another way."""
    if isinstance(json, str):
        data = json.encode("utf-8", "surrogatepass")
        return _rest_of(kind, item_id, data).decode("utf-8", "surrogatepass")
    return _rest_of(kind, item_id, json)


def _rest_of(kind: str, item_id: str, json: bytes) -> bytes:
    begins = _BEGINS.get(kind)
    if begins is None or len(json) > LONG:
        return json
    opening, mark = begins
    whole = f'{opening}{item_id}",'.encode("utf-8", "surrogatepass")
    return mark + json[len(whole) - 1 :] if json.startswith(whole) else json
