"""Where reading goes on."""

import pytest

from projector.model.ids import HEAD_BYTES, TAIL_BYTES, Checkpoint, Fingerprint, Offset, Ordinal
from projector.read.resume import (
    Decision,
    FileFacts,
    Restart,
    Resume,
    UpToDate,
    digest,
    fingerprint,
    resume,
)

HEAD, TAIL, OTHER = digest(b"head"), digest(b"tail"), digest(b"other")


def at(offset: int) -> Checkpoint:
    return Checkpoint(
        generation=0,
        offset=Offset(offset),
        next_ordinal=Ordinal(0),
        fingerprint=Fingerprint(head=HEAD, tail=TAIL),
        state=b"",
    )


def facts(
    size: int | None,
    head: bytes | None = HEAD,
    tail: bytes | None = TAIL,
    read_to: int | None = None,
) -> FileFacts:
    return FileFacts(size=size, head=head, tail=tail, read_to=read_to)


FROM_0, FROM_120, FROM_300 = Resume(Offset(0)), Resume(Offset(120)), Resume(Offset(300))
CUT_TO_120 = Restart("cut to 120 of 300 bytes")
EMPTIED = Restart("cut to 0 of 300 bytes")
START = Restart("other bytes at its start")
BEFORE_120 = Restart("other bytes before byte 120")

# fmt: off
CASES = [
    # what happened to the rollout             checkpoint facts                        decision
    ("seen for the first time",                None,      facts(300), FROM_0),
    ("seen for the first time, empty",         None,      facts(0), FROM_0),
    ("seen for the first time, size untold",   None,      facts(None), FROM_0),
    ("first line torn, read in this process",  None,      facts(300, read_to=300), UpToDate()),
    ("first line torn, has grown",             None,      facts(400, read_to=300), FROM_0),
    ("nothing was whole when it was read",     at(0),     facts(300, OTHER, OTHER), FROM_0),
    ("empty since it was read",                at(0),     facts(0), UpToDate()),
    ("grown",                                  at(120),   facts(300), FROM_120),
    ("nothing new",                            at(300),   facts(300), UpToDate()),
    ("torn line read, nothing new",            at(300),   facts(310, read_to=310), UpToDate()),
    ("torn line read, has grown",              at(300),   facts(311, read_to=310), FROM_300),
    ("cut short",                              at(300),   facts(120, HEAD, None), CUT_TO_120),
    ("emptied",                                at(300),   facts(0, None, None), EMPTIED),
    ("replaced, other start",                  at(120),   facts(300, OTHER), START),
    ("replaced, same size",                    at(300),   facts(300, OTHER), START),
    ("migrated, same start",                   at(120),   facts(300, HEAD, OTHER), BEFORE_120),
    ("compressed, read to its end",            at(300),   facts(300, HEAD, None), UpToDate()),
    ("compressed, unread part",                at(120),   facts(300, HEAD, TAIL), FROM_120),
    ("compressed, size untold",                at(120),   facts(None, HEAD, TAIL), FROM_120),
    ("compressed, another rollout",            at(120),   facts(None, OTHER, None), START),
]
# fmt: on


@pytest.mark.parametrize(
    ("checkpoint", "found", "decision"),
    [pytest.param(*case[1:], id=case[0]) for case in CASES],
)
def test_resume(checkpoint: Checkpoint | None, found: FileFacts, decision: Decision) -> None:
    """The checkpoint and the facts of the file, and nothing else, decide where reading starts."""
    assert decision == resume(checkpoint, found)


def test_a_fingerprint_is_of_the_first_bytes_and_the_last_before_the_offset() -> None:
    data = bytes(range(256)) * 4

    made = fingerprint(700, data[:HEAD_BYTES] + b"more", data[:700], 7)

    assert made == Fingerprint(
        head=digest(data[:HEAD_BYTES]), tail=digest(data[700 - TAIL_BYTES : 700]), checksum=7
    )


def test_a_fingerprint_near_the_start_is_of_what_there_is() -> None:
    assert fingerprint(3, b"abcdef", b"abc", None) == Fingerprint(
        head=digest(b"abc"), tail=digest(b"abc")
    )


def test_a_fingerprint_is_refused_when_bytes_were_not_kept() -> None:
    with pytest.raises(AssertionError):
        fingerprint(700, b"short", b"x" * TAIL_BYTES, None)
    with pytest.raises(AssertionError):
        fingerprint(700, b"x" * HEAD_BYTES, b"short", None)
