"""What may be news, and when to look even without any."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.discover.hints import LOOK_AGAIN_S, ChangeHints, HomePath, RescanSchedule
from tests.support.homes import DAY, NAME

FILE = HomePath("/h", f"/h/{DAY}/{NAME}")
FOLDER = HomePath("/h", f"/h/{DAY}")


@pytest.fixture
def agenda() -> RescanSchedule:
    """Of one home, scanned at second 0 and every 30 s."""
    agenda = RescanSchedule(["/h"], 0.0)
    agenda.every("/h", 30.0, 0.0)
    agenda.due(0.0)
    return agenda


def test_at_first_every_home_is_due() -> None:
    agenda = RescanSchedule(["/h", "/i"], 5.0)

    assert agenda.next_at() <= 5.0
    assert agenda.due(5.0) == ChangeHints(
        homes=frozenset(["/h", "/i"]), names=frozenset(["/h", "/i"])
    )
    assert agenda.due(5.0) is None


def test_a_home_is_due_again_at_its_interval(agenda: RescanSchedule) -> None:
    assert agenda.next_at() == 30.0
    assert agenda.due(29.9) is None
    assert agenda.due(30.0) == ChangeHints(homes=frozenset(["/h"]), names=frozenset(["/h"]))
    assert agenda.next_at() == 60.0


def test_a_home_is_due_at_its_interval_however_many_events_come(agenda: RescanSchedule) -> None:
    for second in range(1, 30):
        agenda.changed(FILE, second, folder=False, gone=False)
        agenda.due(float(second))
    agenda.changed(FILE, 30.0, folder=False, gone=False)
    hints = agenda.due(30.0)

    assert hints is not None
    assert hints.homes == {"/h"}


def test_a_shorter_interval_counts_from_now(agenda: RescanSchedule) -> None:
    agenda.every("/h", 2.0, 10.0)

    assert agenda.next_at() == 12.0


def test_an_interval_that_stays_changes_nothing(agenda: RescanSchedule) -> None:
    agenda.every("/h", 30.0, 20.0)

    assert agenda.next_at() == 30.0


# fmt: off
CHANGES = [
    # what happened                   path                       folder gone   noted as
    ("a rollout was made or grew",    f"/h/{DAY}/{NAME}",        False, False, "files"),
    ("a rollout was removed",         f"/h/{DAY}/{NAME}",        False, True,  "files"),
    ("a compressed one came",         f"/h/{DAY}/{NAME}.zst",    False, False, "files"),
    ("a folder was made",             f"/h/{DAY}",               True,  False, "folders"),
    ("a folder was removed",          f"/h/{DAY}",               False, True,  "homes"),
    ("a thread got its name",         "/h/session_index.jsonl",  False, False, "names"),
    ("a temporary file came",         f"/h/{DAY}/rollout-compress-x.tmp", False, False, None),
    ("a temporary file went",         f"/h/{DAY}/rollout-compress-x.tmp", False, True,  None),
    ("a hidden file went",            f"/h/{DAY}/.rollout-materialize-x", False, True,  None),
    ("something else came",           f"/h/{DAY}/notes.txt",     False, False, None),
]
# fmt: on


@pytest.mark.parametrize(
    ("path", "folder", "gone", "noted"), [pytest.param(*case[1:], id=case[0]) for case in CHANGES]
)
def test_a_change(
    agenda: RescanSchedule, path: str, noted: str | None, *, folder: bool, gone: bool
) -> None:
    """Each kind is noted where it is of use, or not at all."""
    assert agenda.changed(HomePath("/h", path), 1.0, folder=folder, gone=gone) == (
        noted is not None
    )

    hints = agenda.due(1.0)

    if noted is None:
        assert hints is None
    else:
        assert hints is not None
        assert getattr(hints, noted) in ({HomePath("/h", path)}, {"/h"})


def test_a_new_folder_is_looked_into_at_once_and_again_shortly_after(
    agenda: RescanSchedule,
) -> None:
    agenda.changed(FOLDER, 1.0, folder=True, gone=False)
    looks = []
    while (at := agenda.next_at()) < 30.0:
        at = max(at, 1.0)
        assert agenda.due(at) == ChangeHints(folders=frozenset([FOLDER]))
        looks.append(at)

    assert looks == [1.0, *(1.0 + later for later in LOOK_AGAIN_S)]


def test_a_folder_is_not_looked_into_beside_its_home(agenda: RescanSchedule) -> None:
    agenda.changed(FOLDER, 30.0, folder=True, gone=False)
    hints = agenda.due(30.0)

    assert hints is not None
    assert hints.homes == {"/h"}
    assert not hints.folders


@given(
    st.lists(
        st.tuples(
            st.floats(0, 20), st.sampled_from([FILE, FOLDER, HomePath("/h", "/h/x")]), st.booleans()
        ),
        max_size=30,
    )
)
def test_what_is_noted_is_given_and_given_once(program: list[tuple[float, HomePath, bool]]) -> None:
    """Whenever `due` is asked, and it never has to be asked twice at one moment."""
    agenda = RescanSchedule(["/h"], 0.0)
    agenda.every("/h", 30.0, 0.0)
    agenda.due(0.0)
    now, waiting = 0.0, False
    for step, spot, ask in program:
        now += step
        waiting |= agenda.changed(spot, now, folder=spot == FOLDER, gone=False)
        assert not waiting or agenda.next_at() == -math.inf
        if ask:
            assert (agenda.due(now) is not None) >= waiting
            assert agenda.due(now) is None
            assert agenda.next_at() > now
            waiting = False
