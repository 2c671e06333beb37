"""The only module that writes to standard output and standard error.

Text for people passes `terminal_safe`: no content of a rollout, path or argument controls the
terminal. Data (JSON) is exact: terminal control characters are escaped in it. Characters that the
stream's encoding lacks are written as `?` for people and as JSON escapes for programs.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TextIO

from projector.model.redaction import redact
from projector.model.terminal_safe import brief, json_ascii, json_safe, terminal_safe

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unwritable(Exception):
    """Standard output cannot be written: its disk is full, or it failed. The message says why."""


#: Bytes written at once.
_CHUNK: Final = 1 << 16

Style = Literal["heading", "bad", "good", "quiet"]
_STYLES: Final = {"heading": "1", "bad": "31", "good": "32", "quiet": "2"}


def coloured() -> bool:
    """True if standard output shows styles: a terminal, or FORCE_COLOR; never with NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def say(text: str, *, style: Style | None = None) -> None:
    """Write lines for people to standard output."""
    shown = terminal_safe(text)
    if style is not None and coloured():
        shown = f"\x1b[{_STYLES[style]}m{shown}\x1b[0m"
    _write(sys.stdout, _encoded(shown + "\n", sys.stdout))


def tell(text: str) -> None:
    """Write lines for people to standard error; very long words are cut.

    Write errors are ignored.
    """
    with suppress(OSError, ValueError, Unwritable):
        shown = terminal_safe(brief(redact(text)))
        _write(sys.stderr, _encoded(shown + "\n", sys.stderr))


def write_rendered(pieces: Iterable[str]) -> None:
    """Write text that its renderer has already made safe, with its own styles."""
    _write_all(_encoded(piece, sys.stdout) for piece in pieces)


def write_json(documents: Iterable[bytes]) -> None:
    """Write JSON to standard output, in pieces that do not split a string."""
    write_bytes(map(as_safe_json(), documents))


def write_document(document: Any) -> None:
    """Write one JSON document and a newline to standard output."""
    import json  # noqa: PLC0415 - most calls do without

    # A path that is not UTF-8 contains lone surrogates: they are written as escapes.
    text = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
    write_json([text + b"\n"])


def as_safe_json() -> Callable[[bytes], bytes]:
    """Return a function that encodes JSON for standard output, whatever its encoding."""
    return json_safe if _is_utf8(sys.stdout) else json_ascii


def write_bytes(pieces: Iterable[bytes]) -> None:
    """Write bytes to standard output unchanged."""
    _write_all(pieces)


def close_quietly() -> None:
    """Redirect standard output to nowhere, after its reader closed it or it failed."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_all(pieces: Iterable[bytes]) -> None:
    for chunk in _chunks(pieces):
        _write(sys.stdout, chunk)


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces; the first is yielded at once: a reader sees that there is an answer."""
    held: list[bytes] = []
    size = _CHUNK
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _write(stream: TextIO, data: bytes) -> None:
    """Write and flush.

    Raises:
        BrokenPipeError: the reader closed the pipe.
        Unwritable: it failed otherwise.
    """
    binary: BinaryIO | None = getattr(stream, "buffer", None)
    try:
        if binary is None:  # a caller's own text stream
            stream.write(data.decode(errors="replace"))
        else:
            stream.flush()
            binary.write(data)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unwritable(error.strerror or str(error)) from error


def _encoded(text: str, stream: TextIO) -> bytes:
    return text.encode(_encoding(stream), "replace")


def _encoding(stream: TextIO) -> str:
    return "utf-8" if _is_utf8(stream) or not hasattr(stream, "buffer") else str(stream.encoding)


def _is_utf8(stream: TextIO) -> bool:
    try:
        return codecs.lookup(stream.encoding or "utf-8").name == "utf-8"
    except LookupError:
        return True
