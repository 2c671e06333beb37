"""A review's output as the text that people read. Pure.

Source: docs on paginated rollouts, 2.9, checked against Codex 0.169.0.
"""

from __future__ import annotations

from typing import Any, Final

from projector.model.whitespace import WHITE_SPACE

#: Shown for a review without any content.
NOTHING: Final = "Reviewer failed to output a response."


def review_text(output: Any) -> str:
    """Return the text of a `review_output`; missing or invalid parts are omitted."""
    if type(output) is not dict:
        return NOTHING
    parts: list[str] = []
    explanation = output.get("overall_explanation")
    if type(explanation) is str and (stripped := explanation.strip(WHITE_SPACE)):
        parts.append(stripped)
    findings = output.get("findings")
    found = findings if type(findings) is list else []
    shown = [_finding(each) for each in found if type(each) is dict]
    if shown:
        parts.append("Review comment:" if len(shown) == 1 else "Full review comments:")
        parts.extend(shown)
    return "\n\n".join(parts).rstrip(WHITE_SPACE) or NOTHING


def _finding(finding: dict[str, Any]) -> str:
    place = finding.get("code_location")
    place = place if type(place) is dict else {}
    lines = place.get("line_range")
    lines = lines if type(lines) is dict else {}
    title, path = _word(finding.get("title")), _word(place.get("absolute_file_path"))
    head = f"- {title} — {path}:{_word(lines.get('start'))}-{_word(lines.get('end'))}"
    body = finding.get("body")
    return "\n".join([head, *(f"  {line}" for line in _lines(body if type(body) is str else ""))])


def _word(value: Any) -> str:
    return str(value) if type(value) in (str, int) else ""


def _lines(body: str) -> list[str]:
    """Split at line feeds; a carriage return before one is removed, a final one adds no line."""
    lines = body.split("\n")
    if lines[-1] == "":
        lines.pop()
        return [line.removesuffix("\r") for line in lines]
    return [*(line.removesuffix("\r") for line in lines[:-1]), lines[-1]]
