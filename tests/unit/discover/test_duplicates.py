"""Two files of one rollout → the one that is projected."""

import itertools

import pytest

from projector.discover.duplicates import Agreement, choose
from projector.model.ids import RolloutFile, RolloutName
from tests.support.homes import NAME


def file(path: str, *, inode: int = 0, mtime: int = 0) -> RolloutFile:
    name = RolloutName.parse(path.rpartition("/")[2])
    assert name is not None
    return RolloutFile(
        name=name, home="/a", path=path, archived=False, size=1, mtime_ns=mtime, device=1,
        inode=inode or hash(path),
    )  # fmt: skip


PLAIN, PACKED = file(f"/a/{NAME}"), file(f"/a/{NAME}.zst")
COPY, OTHER_PACKED = file(f"/b/{NAME}"), file(f"/b/{NAME}.zst")
NEWER = file(f"/b/{NAME}", mtime=9)


# fmt: off
CASES = [
    # files                                      compare    chosen   why not the other, expected
    ("plain before compressed",          (PACKED, PLAIN),  None,      PLAIN,
     f"compressed, and there is a plain {PLAIN.path}", True),
    ("plain before compressed, found first", (PLAIN, PACKED), None,   PLAIN,
     f"compressed, and there is a plain {PLAIN.path}", True),
    ("plain before compressed, elsewhere", (PLAIN, OTHER_PACKED), None, PLAIN,
     f"compressed, and there is a plain {PLAIN.path}", False),
    ("the longer one",                   (PLAIN, COPY),    "longer",  COPY,
     f"the beginning of {COPY.path}", False),
    ("the longer one, found first",      (PLAIN, COPY),    "shorter", PLAIN,
     f"the beginning of {PLAIN.path}", False),
    ("different: the newer one",         (PLAIN, NEWER),   "differ",  NEWER,
     f"older than, and different from, {NEWER.path}", False),
    ("different: the newer one first",   (NEWER, PLAIN),   "differ",  NEWER,
     f"older than, and different from, {NEWER.path}", False),
    ("one cannot be read: the other",    (PLAIN, NEWER),   "unreadable", PLAIN,
     f"cannot be read, and there is {PLAIN.path}", False),
    ("the first cannot be read: the other", (PLAIN, COPY), "other unreadable", COPY,
     f"cannot be read, and there is {COPY.path}", False),
    ("the same: the first",              (PLAIN, NEWER),   "same",    PLAIN,
     f"a copy of {PLAIN.path}", False),
    ("both compressed: the longer one",  (PACKED, OTHER_PACKED), "longer", OTHER_PACKED,
     f"the beginning of {OTHER_PACKED.path}", False),
    ("one file by two paths",            (file(f"/a/{NAME}", inode=7), file(f"/b/{NAME}", inode=7)),
     None, file(f"/a/{NAME}", inode=7), f"the same file as /a/{NAME}", True),
]
# fmt: on


@pytest.mark.parametrize(
    ("files", "agreement", "chosen", "reason", "passing"),
    [pytest.param(*case[1:], id=case[0]) for case in CASES],
)
def test_choose(
    files: tuple[RolloutFile, RolloutFile],
    agreement: Agreement | None,
    chosen: RolloutFile,
    reason: str,
    *,
    passing: bool,
) -> None:
    def compare(_one: RolloutFile, _other: RolloutFile) -> Agreement:
        assert agreement is not None, "compared without need"
        return agreement

    (choice,) = choose(files, compare).values()
    (over,) = choice.passed_over

    assert choice.file == chosen
    assert over.file == next(one for one in files if one != chosen)
    assert (over.reason, over.passing) == (reason, passing)


def test_one_file_of_a_rollout_is_chosen_without_a_look_at_others() -> None:
    def compare(_one: RolloutFile, _other: RolloutFile) -> Agreement:
        raise AssertionError

    other = file("/a/" + NAME.replace("-000000000001", "-000000000002"))

    assert [choice.file for choice in choose([PLAIN, other], compare).values()] == [PLAIN, other]


def test_of_many_files_the_same_is_chosen_in_any_order() -> None:
    """A copy, its beginnings, and a compressed one."""
    lengths = {f"/{home}/{NAME}": n for n, home in enumerate("abc")}

    def compare(one: RolloutFile, other: RolloutFile) -> Agreement:
        return "longer" if lengths[one.path] > lengths[other.path] else "shorter"

    files = [*map(file, lengths), OTHER_PACKED]
    for order in itertools.permutations(files):
        choice = choose(order, compare)[PLAIN.name.rollout_id]

        assert choice.file.path == f"/c/{NAME}"
        assert {over.file.path for over in choice.passed_over} == {
            one.path for one in files if one.path != f"/c/{NAME}"
        }
