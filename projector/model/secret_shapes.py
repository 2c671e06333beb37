"""Shapes of secrets that can be told by their form: tokens with a prefix, keys, passwords in URLs.

What has no form of its own is not found: a password in a sentence, a key that is cut or split over
lines, anything within an image. Each shape begins with a text that is looked for first.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, NamedTuple

#: Takes the place of a secret; the name says of which shape it was.
HIDDEN: Final = "[redacted: {}]"


class Shape(NamedTuple):
    """A form of secrets."""

    name: str
    pattern: re.Pattern[str]
    """The secret is group `secret`, or all that matches."""


def _shape(name: str, pattern: str, flags: int = 0) -> Shape:
    return Shape(name, re.compile(pattern, flags))


_B: Final = r"(?<![A-Za-z0-9_])"
_E: Final = r"(?![A-Za-z0-9])"
_NAMES: Final = (
    r"[\w.-]*(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|auth[_-]?token"
    r"|access[_-]?token|refresh[_-]?token|client[_-]?secret|private[_-]?key|credential)s?[\w.-]*"
)

SHAPES: Final[tuple[Shape, ...]] = (
    _shape(
        "private key",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        re.DOTALL,
    ),
    _shape("GitHub token", rf"{_B}(?:gh[pousr]_[A-Za-z0-9]{{30,}}|github_pat_\w{{22,}}){_E}"),
    _shape("GitLab token", rf"{_B}gl(?:pat|ptt|dt|rt|cbt|ft|soat)-[\w-]{{16,}}"),
    _shape("Anthropic key", rf"{_B}sk-ant-[\w-]{{16,}}"),
    _shape("OpenAI key", rf"{_B}sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{{20,}}"),
    _shape("AWS key id", rf"{_B}(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{16}}{_E}"),
    _shape("Google key", rf"{_B}AIza[\w-]{{35}}"),
    _shape("Google token", rf"{_B}ya29\.[\w-]{{20,}}"),
    _shape("Slack token", rf"{_B}(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{{10,}}"),
    _shape(
        "Slack webhook", r"https://hooks\.slack\.com/(?P<secret>(?:services|workflows)/[\w/]{20,})"
    ),
    _shape("Stripe key", rf"{_B}(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{{16,}}"),
    _shape("npm token", rf"{_B}npm_[A-Za-z0-9]{{30,}}{_E}"),
    _shape("PyPI token", rf"{_B}pypi-[\w-]{{50,}}"),
    _shape("Hugging Face token", rf"{_B}hf_[A-Za-z0-9]{{30,}}{_E}"),
    _shape("SendGrid key", rf"{_B}SG\.[\w-]{{16,}}\.[\w-]{{16,}}"),
    _shape("DigitalOcean token", rf"{_B}do[opr]_v1_[a-f0-9]{{60,}}"),
    _shape("Docker token", rf"{_B}dckr_(?:pat|oat)_[\w-]{{20,}}"),
    _shape("Databricks token", rf"{_B}dapi[a-f0-9]{{32}}"),
    _shape("Telegram token", rf"{_B}\d{{8,10}}:AA[\w-]{{32,}}"),
    _shape("JSON web token", rf"{_B}eyJ[\w-]{{8,}}\.eyJ[\w-]{{8,}}\.[\w-]*"),
    _shape("password in a URL", r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"'<>]*:(?P<secret>[^\s/@\"'<>]+)@"),
    _shape(
        "authorization",
        r"\b(?:authorization|proxy-authorization)[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|token)\s+)?"
        r"(?P<secret>[^\s\"',;\[]{8,})",
        re.IGNORECASE,
    ),
    _shape("bearer token", r"\bbearer\s+(?P<secret>[\w.~+/-]{16,}=*)", re.IGNORECASE),
    _shape(
        "named secret",
        rf"\b{_NAMES}[\"']?\s*(?:=|:|=>)\s*(?:\"(?P<a>[^\"\s\[$]{{4,}})\"|'(?P<b>[^'\s\[$]{{4,}})'"
        r"|(?P<c>[^\s\"',;\[\](){}<>$&|]{6,}))",
        re.IGNORECASE,
    ),
)
#: One of these is in every text that one of the shapes matches.
_HINT: Final = re.compile(
    r"-----BEGIN|gh[pousr]_|github_pat_|\bgl[a-z]{2,4}-|sk-|A(?:KIA|SIA|BIA|CCA)|AIza|ya29\.|xox|xapp-"
    r"|hooks\.slack|k_(?:live|test)_|whsec_|npm_|pypi-|hf_|SG\.|_v1_|dckr_|dapi|:AA|eyJ|://[^\s/]*@"
    r"|authorization|bearer|passw|passphrase|secret|key|token|credential",
    re.IGNORECASE,
)


class Redaction:
    """Hides secrets of known shapes, and counts them."""

    def __init__(self) -> None:
        """Begin with none found."""
        self.found: Counter[str] = Counter()
        """Number of places by the name of the shape."""

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        if _HINT.search(text) is None:
            return text
        before = None
        while text != before:  # of two without a gap the second shows when the first is gone
            before = text
            for shape in SHAPES:
                text = shape.pattern.sub(self._hidden(shape), text)
        return text

    def json(self, document: str) -> str:
        """Return JSON with no secrets in its strings; what is no JSON as a text."""
        if _HINT.search(document) is None:
            return document
        try:
            return json.dumps(self.value(json.loads(document)), ensure_ascii=False)
        except (ValueError, RecursionError):
            return self.text(document)

    def value(self, value: Any) -> Any:
        """Return a JSON value with no secrets in its strings."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {name: self._member(name, one) for name, one in value.items()}
            case list():
                return [self.value(one) for one in value]
            case _:
                return value

    def _member(self, name: str, value: Any) -> Any:
        """Return a member of an object; one that is named a secret is hidden whatever its form."""
        if isinstance(value, str) and _SECRET_NAME.fullmatch(name) and value:
            self.found["named secret"] += 1
            return HIDDEN.format("named secret")
        return self.value(value)

    def _hidden(self, shape: Shape) -> Callable[[re.Match[str]], str]:
        def replaced(match: re.Match[str]) -> str:
            secret = next((one for one in match.groupdict().values() if one), match[0])
            if secret.startswith("[redacted"):
                return match[0]
            self.found[shape.name] += 1
            return match[0].replace(secret, HIDDEN.format(shape.name))

        return replaced


_SECRET_NAME: Final = re.compile(_NAMES, re.IGNORECASE)
