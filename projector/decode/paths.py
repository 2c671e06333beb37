"""Paths as Codex shows them: file URIs, the paths of read actions, absolute paths. Pure.

Source: docs on paginated rollouts, 2.6 and 2.7, checked against Codex 0.169.0.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from typing import Final

from projector.decode.refused import Refused

_EDGES: Final = "".join(map(chr, range(0x21)))
_DROPPED = str.maketrans("", "", "\t\r\n")
_SCHEME = re.compile(r"file:", re.IGNORECASE).match
_DRIVE = re.compile(r"[A-Za-z]:").fullmatch
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_DOTS: Final = {".": 1, "%2e": 1, "..": 2, ".%2e": 2, "%2e.": 2, "%2e%2e": 2}
_PLAIN = re.compile(r"file://(/[A-Za-z0-9_+@=~,;&!$'()*\-]+(?:\.[A-Za-z0-9_+@=~,;&!$'()*\-]+)*)+")
_PLAIN_START: Final = len("file://")
#: Where Codex hides a path that no URI can hold.
_HIDDEN: Final = "%00/bad/path/"
#: What may not stand in a host.
_NO_HOST = re.compile(r"[\x00-\x20#/:<>?@\[\\\]^|%\x7f]").search
_URI_ESCAPED = re.compile(r"[^!$-;=@-Z\[-\]_a-z|~]")
_WINDOWS = re.compile(r"([A-Za-z]:)[\\/]|(\\\\[^\\/]+[\\/]+[^\\/]+)")
_CACHED_MAX: Final = 1024


def from_uri(uri: str) -> str:
    r"""Give the path that a `file:` URI names: `/w`, `C:\w` or `\\server\share`.

    A URI whose path has no readable form comes back as it is, normalised.

    Raises:
        Refused: it is no such URI.
    """
    return _cached(uri) if len(uri) <= _CACHED_MAX else _from_uri(uri)


def _from_uri(uri: str) -> str:
    if _PLAIN.fullmatch(uri) is not None and ":" not in uri[_PLAIN_START:]:
        return uri[_PLAIN_START:]
    host, segments = _parts(uri)
    if not host:
        while len(segments) > 1 and segments[0] == "":
            del segments[0]
        joined = "/".join(segments)
        if joined.startswith(_HIDDEN):
            return _hidden(joined[len(_HIDDEN) :]) or f"file:///{_normal(joined)}"
    if any("%00" in segment for segment in segments):
        raise Refused("uri with NUL")
    names = [_decoded(segment) for segment in segments]
    if not host:
        return _shown(names)
    if not names[0]:
        return f"file://{host}/" + _normal("/".join(segments))
    return "\\\\" + "\\".join([host, *names])


def is_opaque(uri: str) -> bool:
    """Tell whether a URI that `from_uri` takes hides a path that no URI can hold."""
    return (
        _HIDDEN in uri
        and not (split := _parts(uri))[0]
        and "/".join(split[1]).lstrip("/").startswith(_HIDDEN)
    )


def _parts(uri: str) -> tuple[str, list[str]]:
    """Split a URI into its host, "" for this machine, and the segments of its path."""
    uri = uri.strip(_EDGES).translate(_DROPPED)
    if _SCHEME(uri) is None:
        raise Refused("uri scheme")
    rest = uri[len("file:") :]
    if "?" in rest or "#" in rest:
        raise Refused("uri with query or fragment")
    rest = rest.replace("\\", "/")
    host = ""
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        if _DRIVE(host) is not None:
            host, rest = "", f"{host}{slash}{rest}"
        else:
            rest = slash + rest
    return _host(host) if host else "", _resolved(rest.split("/"))


_cached = lru_cache(maxsize=512)(_from_uri)


def _resolved(segments: list[str]) -> list[str]:
    """Resolve `.` and `..`, not above the root or a drive."""
    if segments and segments[0] == "" and len(segments) > 1:
        del segments[0]  # before the first slash stands nothing
    out: list[str] = []
    last = len(segments) - 1
    for at, segment in enumerate(segments):
        dots = _DOTS.get(segment.lower()) if len(segment) <= 6 else None  # noqa: PLR2004 - %2e%2e
        if dots is None:
            out.append(segment)
            continue
        if dots == 2 and out and not (len(out) == 1 and _DRIVE(out[0])):  # noqa: PLR2004 - ..
            out.pop()
        if at == last:
            out.append("")
    return out or [""]


def _decoded(segment: str) -> str:
    if "%" not in segment:
        return segment
    raw = segment.encode("utf-8", "replace")
    return _PERCENT.sub(lambda found: bytes((int(found[1], 16),)), raw).decode("utf-8", "replace")


def _host(host: str) -> str:
    """Give the host as a URI has it, "" for this machine.

    Raises:
        Refused: it cannot be one, or comes with a user or a port.
    """
    name = _decoded(host)
    if _NO_HOST(name) is not None:
        raise Refused("uri host")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise Refused("uri host") from None
    name = name.lower()
    return "" if name == "localhost" else name


def _hidden(text: str) -> str | None:
    """Decode a path that no URI can hold; None: it is none."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if raw.startswith(b"/"):
        return raw.decode("utf-8", "replace")
    try:
        wide = raw.decode("utf-16-le", "replace")
    except UnicodeDecodeError:
        return None
    return wide if _WINDOWS.match(wide) else None


def _normal(path: str) -> str:
    """Escape what a URI escapes in a path."""
    return _URI_ESCAPED.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace")), path
    )


def _shown(names: list[str]) -> str:
    """Join the names of a path on this machine; one that begins with a drive is Windows'."""
    if _DRIVE(names[0]) is not None:
        rest = "\\".join(names[1:])
        return f"{names[0].upper()}\\{rest}"
    return "/" + "/".join(names)


def absolute(path: str) -> str | None:
    """Resolve `.`, `..`, doubled and final slashes of an absolute path; None: it is not one."""
    if not path.startswith("/"):
        return None
    return "/" + "/".join(_walk([], path.split("/")))


def _walk(names: list[str], steps: list[str]) -> list[str]:
    for step in steps:
        if step == "..":
            if names:
                names.pop()
        elif step not in ("", "."):
            names.append(step)
    return names


def read_path(cwd: str, path: str, *, opaque: bool = False) -> str | None:
    """Resolve the path of a read action against the command's folder.

    `cwd` is what `from_uri` gave; `opaque`: its URI hid a path that no URI can hold.
    None: there is no such path, and Codex leaves the action out.
    """
    if "\0" in path:
        return None
    if path == "":
        return cwd
    if cwd.startswith("/"):
        return _read_posix(cwd, path, opaque=opaque)
    if opaque:
        return None
    windows = _WINDOWS.match(cwd)
    if windows is None:
        return None
    return _read_windows(cwd, path)


def _read_posix(cwd: str, path: str, *, opaque: bool) -> str | None:
    if not path.startswith("/"):
        if opaque:
            return None
        return _shown(_walk(_walk([], cwd.split("/")), path.split("/")) or [""])
    names = _walk([], path.split("/"))
    if path.endswith("/") and names:
        names.append("")
    return _shown(names or [""])


def _read_windows(cwd: str, path: str) -> str | None:
    root, names = _windows_parts(cwd)
    if path.startswith("\\\\"):
        absolute_root, parts = _windows_parts(path)
        return None if not absolute_root else _windows(absolute_root, parts)
    drive = path[:2] if _DRIVE(path[:2]) else ""
    rest = path[len(drive) :]
    if ":" in rest:
        return None
    steps = re.split(r"[\\/]", rest)
    if drive and rest[:1] in ("\\", "/") and rest[:1]:
        return _windows(drive.upper(), _walk([], steps))
    if drive and drive.upper() != root:
        return None
    if not drive and rest[:1] in ("\\", "/") and not rest.startswith("//"):
        return _windows(root, _walk([], steps))
    return _windows(root, _walk(names, steps))


def _windows_parts(path: str) -> tuple[str, list[str]]:
    r"""Split a Windows path into its drive or share and the names behind."""
    if path.startswith("\\\\"):
        parts = [part for part in re.split(r"[\\/]", path[2:]) if part]
        if len(parts) < 2:  # noqa: PLR2004 - host and share
            return "", []
        return "\\\\" + "\\".join(parts[:2]), _walk([], parts[2:])
    return path[:2].upper(), _walk([], re.split(r"[\\/]", path[2:]))


def _windows(root: str, names: list[str]) -> str:
    if not names:
        return root if root.startswith("\\\\") else f"{root}\\"
    return "\\".join([root, *names])
