"""How many examples of a property are run: few for each push, many in a schedule."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import HealthCheck, settings

PATIENT: Final = "patient"
# A machine with other work is no fault of what is tested.
settings.register_profile(PATIENT, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile(PATIENT), max_examples=10)
settings.register_profile("thorough", settings.get_profile(PATIENT), max_examples=1000)


def examples(number: int, **more: Any) -> settings:
    """Return settings for `number` examples in a plain run.

    Other profiles take their share: `quick` a tenth, `thorough` ten times as many.
    """
    share = settings().max_examples / settings.get_profile(PATIENT).max_examples
    return settings(max_examples=max(1, round(number * share)), **more)
