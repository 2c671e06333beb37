"""Brings loopback up in a network namespace, then becomes the command that it is given."""

from __future__ import annotations

import os
import sys

from tests.live import offline

if __name__ == "__main__":
    offline.enter()
    os.execvp(sys.argv[1], sys.argv[1:])
