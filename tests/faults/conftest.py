"""Which tests of faults there are: those of a Citus cluster where one is there."""

from __future__ import annotations

from tests.support.citus import ADDRESS

collect_ignore = [] if ADDRESS else ["test_citus.py"]
