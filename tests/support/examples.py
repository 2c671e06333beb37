"""How many examples of a property are run: few for each push, many in a schedule."""

from __future__ import annotations

from typing import Any

from hypothesis import settings


def examples(number: int, **more: Any) -> settings:
    """Return settings for `number` examples in a plain run.

    Other profiles take their share: `quick` a tenth, `thorough` ten times as many.
    """
    share = settings().max_examples / settings.get_profile("patient").max_examples
    return settings(max_examples=max(1, round(number * share)), **more)
