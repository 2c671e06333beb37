"""Keep the members of a JSON object that no converter knows. Pure.

A *shape* lists the members of an object that the converters read or drop on purpose, and the shapes
of what is below them. What is written nowhere in it was added by a later release of Codex: it is
kept in the object's snapshot, its value untouched, and its name is told.

The hot path is `knows`: one look at each key of an object. `keep` is rare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from projector.decode.fields import Object, camel

#: Characters of a name that are told.
_NAME_MAX: Final = 64
_is_plain: Final = re.compile(r"[A-Za-z0-9_.$@:/\-]+").fullmatch


class Shape(Protocol):
    """What is known of a value."""

    def knows(self, value: Any) -> bool:
        """Return False if `value` has a member that is not known, at any depth."""

    def keep(self, value: Any, shown: Any, at: str, found: Found) -> bool:
        """Put what is not known of `value` into its snapshot; False: there is no place for it.

        `shown`: the snapshot of `value`; None: it has none. `at`: the path of `value`.
        """


class Found:
    """The members that were not known."""

    def __init__(self, spell: Callable[[str], str] = camel) -> None:
        """`spell`: the spelling of a name in the snapshot."""
        self.spell = spell
        self.names: list[str] = []
        """Their paths, and in brackets the name of those that are kept by another one."""

    def put(self, shown: Object, taken: Taken, name: str, value: Any) -> str:
        """Put a member into a snapshot, by a name that nothing else has; return that."""
        key = self.spell(name)
        if key in shown or (key != name and key in taken):
            key = name
        while key in shown:
            key += "_"
        shown[key] = value
        return key

    def tell(self, at: str, name: str, kept_as: str) -> None:
        """Tell the name of a member; of one that may be content, only how long it is."""
        cut = name[:_NAME_MAX]
        if _is_plain(cut) is None:
            self.names.append(f"{at}: a name of {len(name)} characters")
        elif kept_as == name:
            self.names.append(f"{at}.{cut}")
        else:
            self.names.append(f"{at}.{cut} ({kept_as[:_NAME_MAX]})")


Taken = frozenset[str]
_NONE: Final[Taken] = frozenset()


Known = Callable[[Any], bool]
Fast = tuple[str, Mapping[Any, tuple[Known, list[tuple[str, Known]]]]]
"""The tag of an object, and for each of its kinds what `Members.knows` asks."""
Below = Shape | tuple[Shape, str]


class Members:
    """The members of an object."""

    def __init__(
        self,
        names: str,
        below: Mapping[str, Below] | None = None,
        /,
        *,
        also: str = "",
        **more: Below,
    ) -> None:
        """Make a shape.

        Args:
            names: members that hold text, numbers, or values that are nobody's format.
            below: shapes of other members, and their names in a snapshot. Without a name: there is
                none, and the member is kept whole if any of it is not known.
            also: names that only snapshots have.
            more: as `below`.
        """
        self._below = {
            name: shape if isinstance(shape, tuple) else (shape, None)
            for name, shape in {**(below or {}), **more}.items()
        }
        known = frozenset(names.split()) | self._below.keys()
        self._taken = known | frozenset(map(camel, known)) | frozenset(also.split())
        self._known = known
        self.has_all: Known = known.issuperset
        self.deep: list[tuple[str, Known]] = [
            (name, shape.knows) for name, (shape, _) in self._below.items()
        ]
        """For members with a shape, whether all below is known."""

    def knows(self, value: Any) -> bool:
        """Return False if a member, or one below, is not known."""
        if value.__class__ is not dict:
            return True
        if not self.has_all(value):
            return False
        for name, knows in self.deep:
            held = value.get(name)
            if held and not knows(held):
                return False
        return True

    def keep(self, value: Any, shown: Any, at: str, found: Found) -> bool:
        """Put what is not known into `shown`."""
        if value.__class__ is not dict:
            return True
        whole = shown is value  # it is kept as written
        place = shown.__class__ is dict and not whole
        for name, held in value.items():
            if name not in self._known:
                found.tell(at, name, found.put(shown, self._taken, name, held) if place else name)
            elif name in self._below:
                shape, into = self._below[name]
                below = shown.get(into) if place and into is not None else held if whole else None
                if shape.knows(held) or shape.keep(held, below, f"{at}.{name}", found) or not place:
                    continue
                found.put(shown, _NONE, name, held)
        return place or whole


class Tagged:
    """Objects whose members depend on one of them."""

    def __init__(self, tag: str, other: Members | None = None, /, **kinds: Members) -> None:
        """`other`: of those without the tag, or with one that is not known."""
        self._tag = tag
        self._kinds = kinds
        self.fast: Fast = (
            tag,
            {kind: (shape.has_all, shape.deep) for kind, shape in kinds.items()},
        )
        self._other = Members("") if other is None else other

    def _of(self, value: Any) -> Members:
        kind = value.get(self._tag)
        found = self._kinds.get(kind) if kind.__class__ is str else None
        return self._other if found is None else found

    def knows(self, value: Any) -> bool:
        """Return False if the kind or a member of it is not known."""
        return value.__class__ is not dict or self._of(value).knows(value)

    def keep(self, value: Any, shown: Any, at: str, found: Found) -> bool:
        """Put what is not known into `shown`."""
        return value.__class__ is not dict or self._of(value).keep(value, shown, at, found)


class Each:
    """The entries of a list."""

    def __init__(self, of: Shape) -> None:
        self._of = of
        self._knows = of.knows
        self._fast = of.fast if isinstance(of, Tagged) else None

    def knows(self, value: Any) -> bool:
        """Return False if an entry has a member that is not known."""
        if value.__class__ is not list:
            return True
        if self._fast is None:
            return all(map(self._knows, value))
        tag, kinds = self._fast
        try:
            for each in value:
                kind = kinds.get(each[tag])
                if kind is None or not kind[0](each):
                    return False
                for name, knows in kind[1]:
                    held = each.get(name)
                    if held and not knows(held):
                        return False
        except (KeyError, TypeError, AttributeError):
            return all(map(self._knows, value))  # of no form that a decoder takes, or without a tag
        return True

    def keep(self, value: Any, shown: Any, at: str, found: Found) -> bool:
        """Put what is not known into the entries' snapshots, if each has one."""
        if value.__class__ is not list:
            return True
        paired = shown.__class__ is list and len(shown) == len(value)
        fine = [
            self._of.keep(each, shown[index] if paired else None, at, found)
            for index, each in enumerate(value)
        ]
        return paired and all(fine)


class Values:
    """The values of a map, whose snapshot is a list of them."""

    def __init__(self, of: Shape, key: str) -> None:
        """`key`: the member of a snapshot that holds the key of its value."""
        self._of = of
        self._key = key

    def knows(self, value: Any) -> bool:
        """Return False if a value has a member that is not known."""
        return value.__class__ is not dict or all(map(self._of.knows, value.values()))

    def keep(self, value: Any, shown: Any, at: str, found: Found) -> bool:
        """Put what is not known into the values' snapshots, if each has one."""
        if value.__class__ is not dict:
            return True
        places = {each.get(self._key): each for each in _objects(shown)}
        fine = [
            self._of.keep(each, places.get(name), at, found)
            for name, each in value.items()
            if not self._of.knows(each)
        ]
        return all(fine)


def _objects(value: Any) -> Iterator[Object]:
    return (each for each in value if type(each) is dict) if type(value) is list else iter(())
