"""What the model said and was told, as Codex decodes it. Pure."""

from __future__ import annotations

from typing import Any, Final

from projector.decode.shapes import (
    Shape,
    anything,
    each,
    either,
    listing,
    mapping,
    number,
    obj,
    string,
    tagged,
    word,
)

_TEXT: Final = obj({"text": string})
_IMAGE: Final = either(obj({"image_url": string}), obj({"file_id": string}))
_AUDIO: Final = either(obj({"audio_url": string}), obj({"file_id": string}))
PHASE: Final = word("commentary", "partial_answer", "final_answer")
_ENCRYPTED: Final = obj({"encrypted_content": string})
_OUTPUT: Final = either(
    string,
    each(
        tagged(
            input_text=_TEXT,
            input_image=_IMAGE,
            input_audio=_AUDIO,
            encrypted_content=_ENCRYPTED,
        )
    ),
)
_ACTIONS: Final[dict[str, Shape]] = {
    "search": obj({}, {"query": string, "queries": each(string)}),
    "open_page": obj({}, {"url": string}),
    "find_in_page": obj({}, {"url": string, "pattern": string}),
}


def _search(action: Any) -> bool:
    """Take what was searched for: of any type, but of a known one in its shape."""
    if type(action) is not dict or "type" not in action:
        return False
    kind = action["type"]
    return type(kind) is not str or _ACTIONS.get(kind, anything)(action)


#: What every kind of item may have beside its own.
_PASSED_ON: Final = obj(
    {},
    {
        "id": string,
        "internal_chat_message_metadata_passthrough": either(
            obj({}, {"turn_id": string, "create_time": number}), listing
        ),
    },
)
_RESPONSE_ITEMS: Final[dict[str, Shape]] = {
    "message": obj(
        {
            "role": string,
            "content": each(
                tagged(input_text=_TEXT, output_text=_TEXT, input_image=_IMAGE, input_audio=_AUDIO)
            ),
        },
        {"phase": PHASE, "status": string},
    ),
    "reasoning": obj(
        {"summary": each(tagged(summary_text=_TEXT))},
        {"content": each(tagged(reasoning_text=_TEXT, text=_TEXT)), "encrypted_content": string},
    ),
    "function_call": obj(
        {"name": string, "arguments": string, "call_id": string},
        {"namespace": string, "status": string},
    ),
    "function_call_output": obj({"output": _OUTPUT}, {"call_id": string}),
    "custom_tool_call": obj({"call_id": string, "name": string, "input": string}),
    "custom_tool_call_output": obj({"call_id": string, "output": _OUTPUT}),
    "local_shell_call": obj(
        {"status": word("completed", "in_progress", "incomplete"), "action": mapping},
        {"call_id": string},
    ),
    "web_search_call": obj({}, {"action": _search, "status": string}),
    "compaction": obj({"encrypted_content": string}),
    "compaction_summary": obj({"encrypted_content": string}),
    "image_generation_call": obj({"status": string, "result": string}),
    "tool_search_call": obj({"execution": string, "arguments": anything}),
    "tool_search_output": obj({"status": string, "execution": string, "tools": listing}),
    "agent_message": obj(
        {
            "author": string,
            "recipient": string,
            "content": each(tagged(input_text=_TEXT, encrypted_content=_ENCRYPTED)),
        }
    ),
}


def response_item(payload: Any) -> bool:
    """Take the payload of a `response_item`."""
    if type(payload) is not dict or type(payload.get("type")) is not str:
        return False
    return _RESPONSE_ITEMS.get(payload["type"], anything)(payload) and _PASSED_ON(payload)
