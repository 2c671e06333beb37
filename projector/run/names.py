"""Copy thread names from the homes to the store; faults are logged once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from projector.discover.names import read_names
from projector.discover.scan import Fault
from projector.logs import events as log
from projector.model.ids import ThreadId


class NameReader:
    """Reads the names of some homes repeatedly."""

    def __init__(self) -> None:
        """Create it: no warning was logged yet."""
        self._logged: frozenset[Fault] = frozenset()

    async def read(self, *homes: str) -> Mapping[ThreadId, str]:
        """Read the names of all homes; log each fault that was not there at the last call."""
        names, faults = await asyncio.to_thread(read_names, *homes)
        for fault in faults:
            if fault not in self._logged:
                log.event("names.skipped", path=fault.path, error=str(fault))
        self._logged = frozenset(faults)
        return names
