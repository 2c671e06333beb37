"""A row is passed on once, in its last form, at its first place; never across what removes rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from projector.model.changes import Anomaly, Change
from projector.model.ids import Offset, RolloutId
from projector.reduce.change_buffer import ChangeBuffer

ROLLOUT = RolloutId("01a30000-0000-7000-8000-00000000f001")


def _row(name: str, form: int) -> Anomaly:
    """A change that stands for a row in one of its forms."""
    return Anomaly(name, Offset(form), 0, "")


def _shown(changes: list[Change]) -> list[str]:
    return [f"{each.kind}{each.offset}" for each in changes if isinstance(each, Anomaly)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc")),
        st.tuples(st.just("discard"), st.sampled_from("abc")),
        st.tuples(st.sampled_from(["add", "seal", "drain"]), st.just("x")),
    ),
    max_size=30,
)


@given(steps=STEPS)
def test_rows_and_other_changes_come_in_the_order_of_the_file(steps: list[tuple[str, str]]) -> None:
    """Against a model that builds the list anew at every step."""
    buffer = ChangeBuffer(ROLLOUT)
    forms: dict[str, int] = {}
    expected: list[tuple[str, bool, int]] = []  # name, pending, form
    for number, (step, name) in enumerate(steps):
        match step:
            case "put":
                forms[name] = number
                if (name, True) not in [(each[0], each[1]) for each in expected]:
                    expected.append((name, True, number))
                buffer.put(name, lambda name=name: _row(name, forms[name]))  # type: ignore[misc]
                assert buffer.is_pending(name)
            case "discard":
                expected = [each for each in expected if each[:2] != (name, True)]
                buffer.discard(name)
                assert not buffer.is_pending(name)
            case "add":
                expected.append(("x", False, number))
                buffer.note("x", Offset(number), 0, "")
            case _:
                expected = [(n, False, forms[n] if p else form) for n, p, form in expected]
                if step == "drain":
                    assert _shown(buffer.drain()) == [f"{n}{form}" for n, _, form in expected]
                    assert not any(map(buffer.is_sealed, forms))
                    expected = []
                else:
                    buffer.seal()
    expected = [(n, False, forms[n] if p else form) for n, p, form in expected]

    assert _shown(buffer.drain()) == [f"{n}{form}" for n, _, form in expected]
    assert buffer.drain() == []
