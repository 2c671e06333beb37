"""Convert messages, reasoning, plans and reviews to `ThreadItem`s. Pure.

Every function returns the fields after `type` and `id` in Codex's order, or raises `DecodeError`.
Source: docs on paginated rollouts, 2.4.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from projector.decode import item_types
from projector.decode.errors import DecodeError
from projector.decode.fields import (
    I32_MAX,
    I32_MIN,
    U32_MAX,
    U64_MAX,
    Object,
    choice,
    integer,
    items,
    obj,
    opt_bool,
    opt_choice,
    opt_text,
    same,
    text,
    texts,
)
from projector.decode.review import review_text

_DETAILS: Final = same("auto", "low", "high", "original")
_PHASES: Final = same("commentary", "partial_answer", "final_answer")
_DELIVERIES: Final = same("async")
_DISPLAY_MODES: Final = same("show", "hide", "block")
_ANNOTATIONS: Final = same("wellbeingHelpline")
_SUBJECTS: Final = same("answer", "prompt")
_CONTACTS: Final = same("check", "skip")
_REPLACEMENTS: Final = same("wellbeingPromptHelpline")
_BLOCK_REASONS: Final = same("cyber", "protection")


def user_message(item: Object) -> Object:
    """Return a UserMessage."""
    client_id = opt_text(item, "client_id")
    content = [_input(part) for part in items(item.get("content"), "content")]
    return item_types.user_message(item["id"], content, client_id=client_id)


def _input(part: Any) -> Object:
    kind = part.get("type") if type(part) is dict else None
    if kind == "text":
        elements = items(part.get("text_elements", []), "text_elements")
        return item_types.text_input(text(part, "text"), [_element(each) for each in elements])
    if kind == "image":
        found = _source(part, "image_url", "url", "fileId")
        return item_types.image_input(found, opt_choice(part, "detail", _DETAILS))
    if kind == "local_image":
        detail = opt_choice(part, "detail", _DETAILS)
        return item_types.local_image_input(text(part, "path"), detail)
    if kind == "audio":
        return item_types.audio_input(_source(part, "audio_url", "url", "fileId"))
    if kind == "local_audio":
        return item_types.local_audio_input(text(part, "path"))
    if kind in ("skill", "mention"):
        return {"type": kind, "name": text(part, "name"), "path": text(part, "path")}
    raise DecodeError("content.type")


def _source(part: Object, url: str, url_as: str, file_as: str) -> Object:
    """Return the source of an image or audio; the URL takes precedence over the file."""
    address = part.get(url)
    if type(address) is str:
        return {url_as: address}
    file = part.get("file_id")
    if type(file) is str:
        return {file_as: file}
    raise DecodeError(url)


def _element(element: Any) -> Object:
    element = obj(element, "text_elements")
    place = obj(element.get("byte_range"), "byte_range")
    return item_types.text_element(
        integer(place, "start", 0, U64_MAX),
        integer(place, "end", 0, U64_MAX),
        opt_text(element, "placeholder"),
    )


def function_call_output(item: Object) -> Object:
    """Return a FunctionCallOutput."""
    name, namespace, output = text(item, "name"), opt_text(item, "namespace"), item.get("output")
    if type(output) is not str:
        output = [_output(part) for part in items(output, "output")]
    return item_types.function_call_output(item["id"], name, namespace, output)


def _output(part: Any) -> Object:
    kind = part.get("type") if type(part) is dict else None
    if kind == "input_text":
        return {"type": kind, "text": text(part, "text")}
    if kind == "input_image":
        shown = {"type": kind, **_source(part, "image_url", "image_url", "file_id")}
        detail = opt_choice(part, "detail", _DETAILS)
        return shown if detail is None else {**shown, "detail": detail}
    if kind == "input_audio":
        return {"type": kind, **_source(part, "audio_url", "audio_url", "file_id")}
    if kind == "encrypted_content":
        return {"type": kind, "encrypted_content": text(part, "encrypted_content")}
    raise DecodeError("output.type")


def hook_prompt(item: Object) -> Object:
    """Return a HookPrompt."""
    fragments = [obj(each, "fragments") for each in items(item.get("fragments"), "fragments")]
    return item_types.hook_prompt(
        item["id"],
        [
            item_types.hook_fragment(text(each, "text"), text(each, "hookRunId"))
            for each in fragments
        ],
    )


def agent_message(item: Object) -> Object:
    """Return an AgentMessage."""
    said: list[str] = []
    for part in items(item.get("content"), "content"):
        if type(part) is not dict or part.get("type") != "Text":
            raise DecodeError("content.type")
        said.append(text(part, "text"))
    get = item.get
    return item_types.agent_message(
        item["id"],
        said[0] if len(said) == 1 else "".join(said),
        moderation=None if get("moderation") is None else _moderation(item["moderation"]),
        phase=opt_choice(item, "phase", _PHASES),
        citation=None if get("memory_citation") is None else _citation(item),
        delivery=opt_choice(item, "delivery", _DELIVERIES),
        questions=None if get("questions") is None else _questions(item["questions"]),
    )


def _moderation(moderation: Any) -> Object:
    moderation = obj(moderation, "moderation")
    moderated = moderation.get("moderated")
    if type(moderated) is not bool:
        raise DecodeError("moderated")
    display = moderation.get("display")
    if type(display) is dict:
        with contextlib.suppress(DecodeError):  # of another release: Codex shows null
            display = _display(display)
    return {"moderated": moderated, "display": display}


def _display(display: Object) -> Object:
    """Return how Codex 0.171 shows a message that was moderated."""
    integer(display, "version", 1, 1)
    mode = _tag(display, "mode", _DISPLAY_MODES)
    shown: Object = {"mode": mode, "version": 1}
    if mode == "show":
        if display.get("annotation") is not None:
            annotation = obj(display["annotation"], "annotation")
            shown["annotation"] = {
                "kind": _tag(annotation, "kind", _ANNOTATIONS),
                "subject": choice(annotation, "subject", _SUBJECTS),
            }
        shown["trustedContacts"] = choice(display, "trustedContacts", _CONTACTS)
    elif mode == "hide":
        replacement = obj(display.get("replacement"), "replacement")
        shown["replacement"] = {"kind": _tag(replacement, "kind", _REPLACEMENTS)}
    else:
        shown["reason"] = _block_reason(obj(display.get("reason"), "reason"))
    return shown


def _tag(fields: Object, name: str, known: Mapping[str, str]) -> str:
    """Return a word that tells the kind of an object; only as a string."""
    word = text(fields, name)
    if word not in known:
        raise DecodeError(name)
    return word


def _block_reason(reason: Object) -> Object:
    kind = _tag(reason, "kind", _BLOCK_REASONS)
    if kind == "protection":
        return {"kind": kind, "protectionType": text(reason, "protectionType")}
    trusted = opt_bool(reason, "trustedAccess")
    return {"kind": kind} if trusted is None else {"kind": kind, "trustedAccess": trusted}


def _citation(item: Object) -> Object:
    citation = obj(item["memory_citation"], "memory_citation")
    entries = [obj(each, "entries") for each in items(citation.get("entries"), "entries")]
    shown = [
        {
            "path": text(each, "path"),
            "lineStart": integer(each, "lineStart", 0, U32_MAX),
            "lineEnd": integer(each, "lineEnd", 0, U32_MAX),
            "note": text(each, "note"),
        }
        for each in entries
    ]
    return item_types.memory_citation(shown, texts(citation.get("rolloutIds"), "rolloutIds"))


def _questions(questions: Any) -> list[Object]:
    shown: list[Object] = []
    for each in items(questions, "questions"):
        question = obj(each, "questions")
        if not question.keys() <= {"title", "options"}:
            raise DecodeError("questions")
        options = question.get("options")
        shown.append(
            {
                "title": text(question, "title"),
                "options": None if options is None else texts(options, "options"),
            }
        )
    return shown


def plan(item: Object) -> Object:
    """Return a Plan."""
    return item_types.plan(item["id"], text(item, "text"))


def reasoning(item: Object) -> Object:
    """Return a Reasoning."""
    summary = texts(item.get("summary_text"), "summary_text")
    content = texts(item.get("raw_content", []), "raw_content")
    return item_types.reasoning(item["id"], summary, content)


def context_compaction(item: Object) -> Object:
    """Return a ContextCompaction."""
    return item_types.context_compaction(item["id"])


def entered_review(item: Object) -> Object:
    """Return an EnteredReviewMode."""
    target = obj(item.get("target"), "target")
    kind = target.get("type")
    if kind == "baseBranch":
        text(target, "branch")
    elif kind == "commit":
        text(target, "sha")
        opt_text(target, "title")
    elif kind == "custom":
        text(target, "instructions")
    elif kind != "uncommittedChanges":
        raise DecodeError("target.type")
    return item_types.entered_review_mode(item["id"], text(item, "user_facing_hint"))


def exited_review(item: Object) -> Object:
    """Return an ExitedReviewMode."""
    output = item.get("review_output")
    if output is not None:
        check_review(output)
    return item_types.exited_review_mode(item["id"], review_text(output))


def check_review(output: Any) -> None:
    """Raise `DecodeError` unless Codex takes this `review_output`."""
    output = obj(output, "review_output")
    text(output, "overall_correctness")
    text(output, "overall_explanation")
    _number(output, "overall_confidence_score")
    for each in items(output.get("findings"), "findings"):
        finding = obj(each, "findings")
        text(finding, "title")
        text(finding, "body")
        _number(finding, "confidence_score")
        integer(finding, "priority", I32_MIN, I32_MAX)
        place = obj(finding.get("code_location"), "code_location")
        text(place, "absolute_file_path")
        lines = obj(place.get("line_range"), "line_range")
        integer(lines, "start", 0, U32_MAX)
        integer(lines, "end", 0, U32_MAX)


def _number(fields: Object, name: str) -> None:
    if type(fields.get(name)) not in (int, float):
        raise DecodeError(name)
