"""State of the paginated reducer in the checkpoint: small, versioned, bounded. Pure.

Turns and items are not in it; they are looked up.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from msgspec import Struct, field
from msgspec.json import encode

from projector.model.changes import BaseRef, SessionHeader, ThreadMetadata
from projector.model.errors import IncompatibleState
from projector.reduce.tokens import TokenState, state_of

#: Version of the state below. A state of another version is refused.
VERSION: Final = 3


class SavedState(Struct, kw_only=True):
    """State carried from record to record, except for rows."""

    version: int = VERSION
    header: SessionHeader = field(default_factory=lambda: SessionHeader(mode="paginated"))
    headed: bool = False
    """A session_meta was read, or it is known that there is none."""
    orphan: bool = False
    """No header was found so far."""
    meta: ThreadMetadata = field(default_factory=ThreadMetadata)
    seen: int = -1
    """Ordinal of the last record that had one."""
    highest: int = -1
    """The greatest one so far, or the one before the rollout's first."""
    undecoded_from: int = 0
    undecoded_to: int = -1
    """The last records that Codex cannot decode, by their ordinals, which it gives again."""
    lost: int = 0
    """Lines since then that could not be read, or records without a number."""
    unnumbered: bool = False
    """The last record had no ordinal."""
    inherited: bool = True
    """Still in the copy of the parent's records, if the header says that there is one."""
    copied: bool | None = None
    """Records are a copy of another thread's, as Codex's migration leaves it in legacy forks: what
    they cost was paid for there. None: it cannot be told yet."""
    active: str | None = None
    """The turn that started last and has not ended."""
    tokens: TokenState = field(default_factory=TokenState)
    strange: list[str] = field(default_factory=list)
    """Kinds that were noted as unknown; each is noted once."""

    def dump(self) -> bytes:
        """Return the state as JSON."""
        return encode(self)


def load(data: bytes) -> SavedState:
    """Parse the result of `dump`.

    Raises:
        IncompatibleState: it is none of this version.
    """
    try:
        told = orjson.loads(data)
        if type(told) is not dict or told.get("version") != VERSION:
            raise IncompatibleState(
                f"saved reducer state is not of version {VERSION}, which this program reads",
                hint=_HINT,
            )
        header, meta = told["header"], told["meta"]
        if header["base"] is not None:
            header["base"] = BaseRef(**header["base"])
        tokens = state_of(told["tokens"])
        saved = SavedState(
            **{
                **told,
                "header": SessionHeader(**header),
                "meta": ThreadMetadata(**meta),
                "tokens": tokens,
            }
        )
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise IncompatibleState("saved reducer state cannot be read", hint=_HINT) from error
    new = SavedState()
    for name in SavedState.__struct_fields__:
        _check(name, told.get(name, ...), getattr(new, name))
    return saved


_HINT: Final = "run `projector rebuild THREAD`"


def _check(name: str, told: Any, like: Any) -> None:
    """Raise `IncompatibleState` unless a field is there, and of its type in a new state."""
    fine = (
        told is None or type(told) is str
        if name == "active"
        else told is None or type(told) is bool
        if name == "copied"
        else type(told) is dict
        if name in ("header", "meta", "tokens")
        else type(told) is type(like)
    )
    if not fine:
        raise IncompatibleState(f"saved reducer state has no valid {name!r}", hint=_HINT)
