r"""Paths as Codex shows them: file URIs, the paths of read actions, absolute paths. Pure.

Source: docs on paginated rollouts, 2.6 and 2.7, checked against Codex 0.169.0. Plain paths of
folders, and verbatim and device paths, are as Codex 0.171 shows those of commands that it migrates:

    folder as written            is shown as
    /w//x/., /w/                 /w/x, /w/
    c:/a/../w/                   C:\w\
    \\Server\share\..\w          \\server\share\w
    //server/share/w             \\server\share\w
    \\?\C:\w, \\.\C:\w           C:\w
    \\?\UNC\server\share\w       \\server\share\w
    \\?\Volume{1}\w              as it is; nothing is relative to it
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from projector.decode.errors import DecodeError

_EDGES: Final = "".join(map(chr, range(0x21)))
#: A URI parser ignores these everywhere.
_DROPPED = str.maketrans("", "", "\t\r\n")
_SCHEME = re.compile(r"file:", re.IGNORECASE).match
_DRIVE = re.compile(r"[A-Za-z]:").fullmatch
_DRIVE_OR_BAR = re.compile(r"[A-Za-z][:|]").fullmatch
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_DOTS: Final = {".": 1, "%2e": 1, "..": 2, ".%2e": 2, "%2e.": 2, "%2e%2e": 2}
_LONGEST_DOTS: Final = 6
_UP: Final = 2
_NAME = r"[A-Za-z0-9_+@=~,;&!$'()*\-]+"
_PLAIN = re.compile(rf"file://((?:/{_NAME}(?:\.{_NAME})*)+)").fullmatch
#: Encoding that Codex uses for a path that no URI can represent.
_HIDDEN: Final = "%00/bad/path/"
#: Characters not allowed in a host.
_NO_HOST = re.compile(r"[\x00-\x20#/:<>?@\[\\\]^|%\x7f]").search
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII).fullmatch
_URI_ESCAPED = re.compile(r"[^!$-;=@-Z\[-\]_a-z|~]")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\[^\\/]+[\\/]+[^\\/]+")
_SEPARATORS = re.compile(r"[\\/]")
_SHARE = re.compile(r"[\\/]{2}([^\\/]+)[\\/]([^\\/]+)").match
_DEVICE = re.compile(r"[\\/]{2}[?.][\\/]").match
#: Prefixes of verbatim and device paths that have a plain form.
_OF_PLAIN = re.compile(
    r"\\\\[?.]\\(?:(?P<share>UNC\\)(?=[^\\/]+[\\/][^\\/])|(?=[A-Za-z]:[\\/]))"
).match
_CACHED_MAX: Final = 1024

_Kind = Literal["posix", "drive", "share", "none"]


class Folder(NamedTuple):
    """A path in its parts, to resolve others against it."""

    shown: str
    """As shown to people."""
    kind: _Kind
    """Type of its root. `none`: it has no readable form."""
    root: str
    """Drive with its colon, or host; empty for POSIX."""
    names: tuple[str, ...]
    """After the root; a final empty one for a trailing separator."""
    opaque: bool = False
    """True if its URI encodes it: nothing can be relative to it."""


def from_uri(uri: str) -> str:
    r"""Return the path of a `file:` URI: `/w`, `C:\w` or `\\server\share`.

    A URI whose path has no readable form is returned normalised.

    Raises:
        DecodeError: it is not such a URI.
    """
    return folder(uri).shown


def folder(uri: str) -> Folder:
    """Return the path of a `file:` URI, in its parts.

    Raises:
        DecodeError: it is not such a URI.
    """
    return _cached(uri) if len(uri) <= _CACHED_MAX else _folder(uri)


def _folder(uri: str) -> Folder:
    plain = _PLAIN(uri)
    if plain is not None:
        return Folder(plain[1], "posix", "", tuple(plain[1][1:].split("/")))
    host, segments = _parts(uri)
    while len(segments) > 1 and segments[0] == "":
        del segments[0]
    if not host:
        joined = "/".join(segments)
        if joined.startswith(_HIDDEN):
            return _hidden(joined)
    if any("%00" in segment or "\0" in segment for segment in segments):
        raise DecodeError("uri with NUL")
    names = [_decoded(segment) for segment in segments]
    if host and not names[0]:
        shown = f"file://{host}/" + _normal("/".join(segments))
        return Folder(shown, "share", host, ())
    if _DRIVE(names[0]) is not None:
        return _made("drive", names[0].upper(), names[1:] or [""])
    return _made("share", host, names) if host else _made("posix", "", names)


_cached = lru_cache(maxsize=512)(_folder)


def _parts(uri: str) -> tuple[str, list[str]]:
    """Split a URI into its host, "" for this machine, and the segments of its path."""
    uri = uri.strip(_EDGES).translate(_DROPPED)
    if _SCHEME(uri) is None:
        raise DecodeError("uri scheme")
    rest = uri[len("file:") :]
    if "?" in rest or "#" in rest:
        raise DecodeError("uri with query or fragment")
    rest = rest.replace("\\", "/")
    host = ""
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        if _DRIVE_OR_BAR(host) is not None:
            host, rest = "", f"{host[0]}:{rest}"
    elif _DRIVE_OR_BAR(rest[:2]) is not None and rest[2:3] in ("", "/"):
        rest = f"{rest[0]}:{rest[2:]}"
    segments = _resolved(rest.split("/"))
    return _host(host) if host else "", segments


def _resolved(segments: list[str]) -> list[str]:
    """Resolve `.` and `..`, not above the root or a drive."""
    if segments[0] == "" and len(segments) > 1:
        del segments[0]  # nothing precedes the first slash
    out: list[str] = []
    last = len(segments) - 1
    for at, segment in enumerate(segments):
        dots = _DOTS.get(segment.lower()) if len(segment) <= _LONGEST_DOTS else None
        if dots is None:
            out.append(segment)
            continue
        if dots == _UP and out and not (len(out) == 1 and _DRIVE(out[0])):
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
    """Return the host of a URI, "" for this machine.

    Raises:
        DecodeError: it is invalid, or has a user or a port.
    """
    if host.startswith("[") and host.endswith("]"):
        return _ipv6(host)
    name = _decoded(host)
    if _NO_HOST(name) is not None:
        raise DecodeError("uri host")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise DecodeError("uri host") from None
    name = name.lower()
    if _NUMERIC(name.removesuffix(".").rpartition(".")[2]) is not None:
        return _ipv4(name)
    return "" if name == "localhost" else name


def _ipv4(name: str) -> str:
    """Return an IPv4 address as four decimal numbers; a URI may spell it in other ways."""
    parts = name.removesuffix(".").split(".")
    numbers: list[int] = []
    for part in parts:
        if _NUMERIC(part) is None:
            raise DecodeError("uri host")
        hexadecimal, octal = part.startswith("0x"), part.startswith("0") and len(part) > 1
        try:
            numbers.append(
                int(part[2:] or "0", 16) if hexadecimal else int(part, 8 if octal else 10)
            )
        except ValueError:
            raise DecodeError("uri host") from None
    *small, last = numbers
    if len(numbers) > 4 or any(n > 255 for n in small) or last >= 256 ** (5 - len(numbers)):  # noqa: PLR2004 - four bytes
        raise DecodeError("uri host")
    value = last + sum(n << 8 * (3 - at) for at, n in enumerate(small))
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def _ipv6(host: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
    except ValueError:
        raise DecodeError("uri host") from None


def _hidden(joined: str) -> Folder:
    """Return a path that no URI can represent.

    Raises:
        DecodeError: there is none.
    """
    text = joined[len(_HIDDEN) :]
    if "/" in text or "+" in text:  # the alphabet of URLs has neither
        raise DecodeError("uri of a hidden path")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError("uri of a hidden path") from None
    if not raw:
        raise DecodeError("uri of a hidden path")
    if raw.startswith(b"/"):
        return Folder(raw.decode("utf-8", "replace"), "posix", "", (), opaque=True)
    wide = raw.decode("utf-16-le", "replace")
    if _WINDOWS.match(wide) is not None:
        return Folder(wide, "drive", "", (), opaque=True)
    return Folder(f"file:///{_normal(joined)}", "none", "", (), opaque=True)


def _normal(path: str) -> str:
    """Escape what a URI escapes in a path."""
    return _URI_ESCAPED.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace")), path
    )


def _made(kind: _Kind, root: str, names: list[str]) -> Folder:
    if kind == "posix":
        return Folder("/" + "/".join(names), kind, root, tuple(names))
    if kind == "drive":
        return Folder(f"{root}\\" + "\\".join(names), kind, root, tuple(names))
    if not names:
        return Folder(f"file://{root}/", kind, root, ())
    return Folder(f"\\\\{root}\\" + "\\".join(names), kind, root, tuple(names))


def of_path(path: str) -> Folder:
    """Return the parts of an absolute path, normalised. `none`: it is not absolute."""
    plain = _without_device(path)
    if plain is None:
        return Folder(path, "drive", "", (), opaque=True)
    share = _SHARE(plain)
    if share is not None:
        steps = _SEPARATORS.split(plain[share.end() :])[1:]
        return _made("share", share[1].lower(), [share[2], *_normalised(steps)])
    if _SEPARATORS.match(plain, 1) is None and plain.startswith("/"):
        return _made("posix", "", _normalised(plain[1:].split("/")))
    if _DRIVE(plain[:2]) is not None and plain[2:3] in ("\\", "/"):
        return _made("drive", plain[:2].upper(), _normalised(_SEPARATORS.split(plain[3:])))
    return Folder(path, "none", "", ())


def _without_device(path: str) -> str | None:
    """Return a path without a verbatim or device prefix; None if it has no other form."""
    if _DEVICE(path) is None:
        return path
    found = _OF_PLAIN(path)
    if found is None:
        return None
    return ("\\\\" if found["share"] else "") + path[found.end() :]


def _normalised(steps: list[str]) -> list[str]:
    """Resolve steps from a root; a final empty name stands for a final separator."""
    names = _walk([], steps)
    return [*names, ""] if steps and steps[-1] == "" else names


def absolute(path: str) -> str | None:
    """Resolve `.`, `..`, doubled and final slashes of an absolute path; None: it is not one."""
    if not path.startswith("/"):
        return None
    return "/" + "/".join(_walk([], path.split("/")))


def saved_path(path: str) -> str | None:
    """Return the path of a saved file: POSIX paths normalised, Windows' as written.

    None: it is not absolute on either.
    """
    found = absolute(path)
    if found is None and of_path(path).kind != "none":
        return path
    return found


def _walk(names: list[str], steps: list[str], floor: int = 0) -> list[str]:
    """Follow steps from `names`, never above the first `floor` of them."""
    for step in steps:
        if step == "..":
            if len(names) > floor:
                names.pop()
        elif step not in ("", "."):
            names.append(step)
    return names


def read_path(cwd: Folder | str, path: str) -> str | None:
    """Resolve the path of a read action against the command's folder.

    None: there is no such path, and Codex leaves the action out.
    """
    if type(cwd) is str:
        cwd = of_path(cwd)
    assert isinstance(cwd, Folder)
    if "\0" in path:
        return None
    if path == "":
        return cwd.shown
    if cwd.kind == "none":
        return None
    return _read_posix(cwd, path) if cwd.kind == "posix" else _read_windows(cwd, path)


def _read_posix(cwd: Folder, path: str) -> str | None:
    if path.startswith("/"):
        names = _walk([], path.split("/"))
        return "/" + "/".join([*names, ""] if path.endswith("/") and names else names)
    if cwd.opaque:
        return None
    names = _joined(cwd, path.split("/"), 0)
    if names and _DRIVE(names[0]) is not None:  # the URI in between makes it a Windows path
        return _made("drive", names[0].upper(), names[1:] or [""]).shown
    return "/" + "/".join(names)


def _joined(cwd: Folder, steps: list[str], floor: int) -> list[str]:
    names = list(cwd.names)
    if names and names[-1] == "":
        names.pop()
    return [name.translate(_DROPPED) for name in _walk(names, steps, floor)]


def _read_windows(cwd: Folder, path: str) -> str | None:
    plain = _without_device(path)
    if plain is None:
        return path
    path = plain
    steps = _SEPARATORS.split(path)
    rooted = steps[0] == "" and len(steps) > 1
    if rooted and steps[1] == "" and len(steps) > 3 and steps[2] and steps[3]:  # noqa: PLR2004 - \\host\share
        return _whole("share", steps[2].lower(), _walk([steps[3]], steps[4:], 1), steps)
    if _DRIVE(path[:2]) is not None and path[2:3] in ("\\", "/") and path[2:3]:
        return _whole("drive", path[:2].upper(), _walk([], steps[1:]), steps)
    if cwd.opaque:
        return None
    floor = 1 if cwd.kind == "share" else 0
    if _DRIVE(path[:2]) is not None:
        if path[:2].upper() != cwd.root:
            return None
        steps[0] = steps[0][2:]
    elif rooted and (steps[1] != "" or len(steps) == 2):  # noqa: PLR2004 - the root itself
        cwd = cwd._replace(names=cwd.names[:floor])
    return _made(cwd.kind, cwd.root, _joined(cwd, steps, floor)).shown


def _whole(kind: _Kind, root: str, names: list[str], steps: list[str]) -> str:
    """Return an absolute path, with its trailing separator if any."""
    if steps[-1] == "" and names:
        names = [*names, ""]
    return _made(kind, root, names).shown
