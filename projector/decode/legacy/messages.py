"""Convert legacy events to messages. Pure.

As in `tools`: an event without a required field raises `DecodeError`; nulls are written.

Source: docs on legacy rollouts, a4 and b2, checked against Codex 0.169.0.
"""

from __future__ import annotations

from typing import Any, Final

from projector.decode import item_types
from projector.decode.errors import DecodeError
from projector.decode.fields import opt_text, text
from projector.decode.legacy.fields import Json, entries, mapping, required_texts, texts, unsigned

_PHASES: Final = frozenset({None, "commentary", "partial_answer", "final_answer"})
_DETAILS: Final = frozenset({None, "auto", "low", "high", "original"})


def user_message(payload: Json, item_id: str) -> Json:
    """Return the userMessage; its content may be empty."""
    message = text(payload, "message")
    content: list[Json] = []
    elements = [_element(each) for each in entries(payload, "text_elements")]
    if message.strip():
        content.append(item_types.text_input(message, elements))
    content.extend(_pictures(payload))
    details = _details(payload, "local_image_details")
    content.extend(
        item_types.local_image_input(path, detail)
        for path, detail in _paired(texts(payload, "local_images"), details)
    )
    content.extend(item_types.audio_input({"url": url}) for url in texts(payload, "audio"))
    content.extend(map(item_types.local_audio_input, texts(payload, "local_audio")))
    return item_types.user_message(item_id, content, client_id=opt_text(payload, "client_id"))


def images_only(payload: Json) -> bool:
    """True if a user message has images but no text."""
    message = payload.get("message")
    return (
        type(message) is str
        and not message.strip()
        and any(payload.get(key) for key in ("images", "local_images", "file_ids"))
    )


def _element(value: Any) -> Json:
    if type(value) is not dict:
        raise DecodeError("text_elements")
    place = mapping(value, "byte_range")
    start, end = unsigned(place, "start"), unsigned(place, "end")
    return item_types.text_element(start, end, opt_text(value, "placeholder"))


def _pictures(payload: Json) -> list[Json]:
    """Return inline images and files, in `image_order` if it lists exactly these."""
    inline = [
        item_types.image_input({"url": url}, detail)
        for url, detail in _paired(texts(payload, "images"), _details(payload, "image_details"))
    ]
    files = [
        item_types.image_input({"fileId": file_id}, detail)
        for file_id, detail in _paired(
            texts(payload, "file_ids"), _details(payload, "file_id_details")
        )
    ]
    order = entries(payload, "image_order")
    if order.count("inline") != len(inline) or order.count("file") != len(files):
        return inline + files
    if len(order) != len(inline) + len(files):
        return inline + files
    of = {"inline": iter(inline), "file": iter(files)}
    return [next(of[each]) for each in order]


def _details(payload: Json, key: str) -> list[str | None]:
    details = entries(payload, key)
    for detail in details:
        if (detail is not None and type(detail) is not str) or detail not in _DETAILS:
            raise DecodeError(key)
    return details


def _paired(names: list[str], details: list[str | None]) -> list[tuple[str, str | None]]:
    missing = len(names) - len(details)
    return list(zip(names, details + [None] * missing, strict=False))


def agent_message(payload: Json, item_id: str) -> Json | None:
    """Return the agentMessage; None if its text is empty."""
    message = text(payload, "message")
    phase = opt_text(payload, "phase")
    if phase not in _PHASES:
        raise DecodeError("phase")
    delivery = opt_text(payload, "delivery")
    item = item_types.agent_message(
        item_id,
        message,
        phase=phase,
        citation=_citation(payload.get("memory_citation")),
        delivery=delivery,
        questions=_questions(payload.get("questions")),
    )
    return item if message else None


def _citation(value: Any) -> Json | None:
    if value is None:
        return None
    if type(value) is not dict or type(value.get("entries")) is not list:
        raise DecodeError("memory_citation")
    return item_types.memory_citation(value["entries"], required_texts(value, "rolloutIds"))


def _questions(value: Any) -> list[Json] | None:
    if value is None:
        return None
    if type(value) is not list or any(type(each) is not dict for each in value):
        raise DecodeError("questions")
    return [{"title": text(each, "title"), "options": each.get("options")} for each in value]
