"""The size of a .zst, told from its headers."""

from hypothesis import given
from hypothesis import strategies as st

from projector.read.frames import unpacked_size
from tests.support.zst import NOISE, SKIPPABLE, frame, zstd

frames = st.lists(
    st.one_of(
        st.just((SKIPPABLE, 0)),
        st.builds(
            lambda n, checksum: (frame(NOISE[:n], checksum=checksum), n),
            st.one_of(st.integers(0, 400), st.sampled_from([255, 256, 257, 65791, 65792, 400_000])),
            st.booleans(),
        ),
        st.builds(lambda n: (frame(bytes(n)), n), st.integers(0, 300_000)),
    ),
    max_size=4,
)


def size_of(packed: bytes) -> int | None:
    return unpacked_size(lambda length, at: packed[at : at + length])


@given(frames)
def test_the_size_is_that_of_the_content(made: list[tuple[bytes, int]]) -> None:
    packed = b"".join(data for data, _ in made)

    assert size_of(packed) == sum(size for _, size in made)


@given(frames.filter(bool), st.data())
def test_a_file_that_is_not_whole_tells_no_size(
    made: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    whole = b"".join(packed for packed, _ in made[:-1])
    last = made[-1][0]
    cut = data.draw(st.integers(1, len(last) - 1))

    assert size_of(whole + last[:cut]) is None


def test_a_frame_without_its_size_tells_none() -> None:
    assert size_of(frame(NOISE, size=False)) is None
    assert size_of(frame(NOISE) + frame(NOISE, size=False)) is None


def test_the_plain_module_function_writes_the_size() -> None:
    assert size_of(zstd.compress(NOISE)) == len(NOISE)


@given(st.binary(max_size=60))
def test_other_bytes_tell_none(data: bytes) -> None:
    """They do not raise, whatever they are."""
    size_of(b"\x28\xb5\x2f\xfd" + data)
    assert size_of(b"{" + data) is None


def test_blocks_without_end_are_not_walked() -> None:
    """Each of a million empty blocks costs three bytes."""
    header = b"\x28\xb5\x2f\xfd" + bytes([0b1010_0000]) + (7).to_bytes(4, "little")

    assert size_of(header + bytes(3) * 1_000_000 + b"\x01\x00\x00") is None
