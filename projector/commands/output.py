"""The only module that writes to standard output and standard error.

Text for people passes `terminal_safe`: no content of a rollout, path or argument controls the
terminal. Data (JSON) is exact: terminal control characters are escaped in it. Characters that the
stream's encoding lacks are written as `?` for people and as JSON escapes for programs.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TextIO

from projector.model.redaction import redact
from projector.model.terminal_safe import brief, json_ascii, json_safe, terminal_safe

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from projector.serve.history.looks import Style


class Unwritable(Exception):
    """Standard output cannot be written: its disk is full, or it failed. The message says why."""


#: Bytes written at once.
_CHUNK: Final = 1 << 16

#: Parameters of the terminal's sequences for what a text means.
STYLES: Final[dict[Style, str]] = {
    "heading": "1",
    "bad": "31",
    "warning": "33",
    "good": "32",
    "quiet": "2",
    "user": "1;36",
    "agent": "1;32",
    "work": "1;34",
    "code": "36",
    "hunk": "36",
    "hit": "1;31",
    "id": "35",
}


class _Pager:
    """Whether what is written goes to a pager on a terminal."""

    runs = False


def terminal() -> bool:
    """True if people read standard output on a terminal, perhaps in a pager."""
    return _Pager.runs or sys.stdout.isatty()


def width() -> int | None:
    """Return the columns of the terminal; None: standard output is none."""
    import shutil  # noqa: PLC0415 - most calls do without

    return shutil.get_terminal_size().columns if terminal() else None


def coloured() -> bool:
    """True if standard output shows styles: a terminal, or FORCE_COLOR; never with NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return terminal() and os.environ.get("TERM") != "dumb"


def paint(text: str, style: Style) -> str:
    """Return a safe text with a style, if standard output shows styles."""
    if not text or not coloured():
        return text
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m"


@contextmanager
def paged() -> Iterator[None]:
    """Show what is written within by $PAGER (less), if standard output is a terminal.

    A pager that is left early ends the writing; that is no error.
    """
    process = _pager() if sys.stdout.isatty() else None
    if process is None:
        yield
        return
    assert process.stdin is not None
    out, sys.stdout = sys.stdout, io.TextIOWrapper(process.stdin, sys.stdout.encoding)
    _Pager.runs = True
    try:
        yield
    except (BrokenPipeError, KeyboardInterrupt):  # the pager was left, or told to stop
        pass
    finally:
        with suppress(OSError):
            sys.stdout.close()
        sys.stdout, _Pager.runs = out, False
        while True:
            with suppress(KeyboardInterrupt):  # it is the pager's
                process.wait()
                break


def _pager() -> subprocess.Popen[bytes] | None:
    """Start the user's pager; None: there is none."""
    import shutil  # noqa: PLC0415 - most calls do without
    import subprocess  # noqa: PLC0415 - same

    command = os.environ.get("PAGER", "less").strip()
    if command in ("", "cat") or shutil.which(command.split()[0]) is None:
        return None
    # As git does: less leaves at once if all fits the screen, and shows colours.
    environment = {"LESS": "FRX", "LV": "-c", **os.environ}
    order = ["sh", "-c", command]
    return subprocess.Popen(order, stdin=subprocess.PIPE, env=environment)  # noqa: S603 - the user's own


def say(text: str, *, style: Style | None = None) -> None:
    """Write lines for people to standard output."""
    shown = terminal_safe(text)
    if style is not None:
        shown = paint(shown, style)
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
