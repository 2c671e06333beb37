"""A mapping of rollouts that gives what was put into it, and little memory for each."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from projector.model.file_index import FileIndex, WorkQueue, id_of, key_of
from projector.model.ids import Offset, RolloutFile, RolloutId, RolloutName
from projector.store.protocol import RolloutStatus
from projector.store.rollout_status import RolloutStatuses
from tests.support.homes import name_of

BITS = 1 << 64


def file_of(number: int, size: int = 7, *, folder: str = "/h/sessions/2026") -> RolloutFile:
    base = name_of(number)
    name = RolloutName.parse(base)
    assert name is not None
    return RolloutFile(
        name=name, home="/h", path=f"{folder}/{base}", archived="archived" in folder,
        size=size, mtime_ns=5, device=1, inode=number,
    )  # fmt: skip


def knowing(*files: RolloutFile) -> FileIndex:
    known = FileIndex()
    for file in files:
        known[file.name.rollout_id] = file
    return known


UUIDS = st.uuids().map(str)
NAMES = st.builds(
    "rollout-{}{}{}.jsonl{}".format,
    st.sampled_from(["2026-11-01T10-00-00-", "2025-05-01-", ""]),
    UUIDS | UUIDS.map(str.upper),
    st.just("") | UUIDS.map("_{}".format),
    st.sampled_from(["", ".zst"]),
)
FILES = st.builds(
    RolloutFile,
    name=NAMES.map(RolloutName.parse),
    home=st.sampled_from(["/h", "~/\udcff", "."]),
    path=st.sampled_from(["/h/a", "/h/\udcff", ""]),
    archived=st.booleans(),
    size=st.integers(0, BITS - 1),
    mtime_ns=st.integers(-(BITS >> 1), (BITS >> 1) - 1),
    ctime_ns=st.integers(-(BITS >> 1), (BITS >> 1) - 1),
    device=st.integers(0, BITS - 1),
    inode=st.integers(0, BITS - 1),
)


@given(file=FILES, base=NAMES, odd=st.booleans())
def test_what_was_put_comes_out(file: RolloutFile, base: str, *, odd: bool) -> None:
    named = RolloutName.parse(base)
    assert named is not None
    name = file.name if odd else named
    put = replace(file, name=name, path=f"{file.path}/{base}")
    known = knowing(put)

    assert dict(known) == {name.rollout_id: put}
    assert name.rollout_id in known
    assert known.bytes_on_disk() == put.size
    other = WorkQueue()
    known.give(key_of(name.rollout_id), other)
    assert not list(known.unlike(other))
    assert other.pop_first() == (name.rollout_id, put)
    del known[name.rollout_id]
    assert (len(known), list(known)) == (0, [])


def test_ids_that_are_none_stay_as_they_are() -> None:
    for odd in ("r1", "", "0x12", "0" * 32, "019B8D62-7A80-7000-8000-000000000002"):
        known = FileIndex()
        known[RolloutId(odd)] = file_of(1)

        assert list(known) == [odd]
        assert known[RolloutId(odd)] == file_of(1)
        assert key_of(odd) == odd


def test_what_is_new_and_what_is_missing() -> None:
    before = knowing(file_of(1), file_of(2), file_of(3))
    now = knowing(file_of(2), file_of(3, size=8), file_of(4))
    ids = [file_of(number).name.rollout_id for number in range(5)]

    assert set(map(id_of, now.unlike(before))) == {ids[3], ids[4]}
    assert list(before.without(now)) == [ids[1]]
    assert now.bytes_beyond(before) == 1 + 7
    key = key_of(ids[2])
    assert now.record(key) is before.record(key)


def test_a_rollout_that_moved_is_another() -> None:
    here = knowing(file_of(1))
    there = knowing(file_of(1, folder="/h/archived_sessions"))

    assert len(list(there.unlike(here))) == 1


def test_a_line_is_served_in_its_order() -> None:
    line, ids = WorkQueue(), [file_of(number).name.rollout_id for number in range(5)]
    for number in (3, 1, 2):
        line[ids[number]] = file_of(number)
    line[ids[3]] = file_of(3, size=9)
    line.put_first(ids[2])

    assert [line.pop_first()[0] for _ in range(3)] == [ids[2], ids[3], ids[1]]
    assert not line
    assert list(knowing(file_of(3), file_of(1), file_of(2)).oldest_first()) == ids[1:4]


def test_a_rollout_takes_little() -> None:
    """Its id and its bytes; folders are shared, and so are bytes that are alike."""
    one, other = knowing(file_of(1)), knowing(file_of(1))
    assert not list(other.unlike(one))
    (key,) = map(key_of, one)

    assert sys.getsizeof(key) + sys.getsizeof(one.record(key)) < 200
    assert other.record(key) is one.record(key)


def test_standings_give_what_the_store_told() -> None:
    told, file = RolloutStatuses(), file_of(1)
    folder_name = RolloutName.parse(file.path.rpartition("/")[2])
    assert folder_name is not None
    rollout, thread = file.name.rollout_id, file.name.thread_id
    other = file_of(2).name.thread_id
    told.put(rollout, thread, 3, 5)
    told.files[rollout] = file
    told.put(RolloutId("gone"), other, 0, 7)

    assert (
        dict(RolloutStatuses.of(told.values()))
        == dict(told)
        == {
            rollout: RolloutStatus(
                rollout_id=rollout, thread_id=thread, generation=3, offset=Offset(5), file=file
            ),
            "gone": RolloutStatus(
                rollout_id=RolloutId("gone"),
                thread_id=other,
                generation=0,
                offset=Offset(7),
                file=None,
            ),
        }
    )
    assert (len(told), "gone" in told, "none" in told) == (2, True, False)


def test_files_that_were_read_to_their_end_are_told_from_others() -> None:
    packed_name = RolloutName.parse(name_of(3) + ".zst")
    assert packed_name is not None
    packed = replace(file_of(3), name=packed_name, path=f"/h/{name_of(3)}.zst")
    files = (file_of(1), file_of(2), packed)
    told = RolloutStatuses.of(
        RolloutStatus(
            rollout_id=file.name.rollout_id, thread_id=file.name.thread_id, generation=0,
            offset=Offset(5 if file is files[1] else file.size), file=file,
        )
        for file in files
    )  # fmt: skip
    whole, rest = FileIndex(), FileIndex()

    told.divide(whole, rest)

    assert list(whole.values()) == [files[0]]
    assert list(rest.values()) == [files[1], packed]
