"""Runs one command and says what it cost, as one line of JSON: `launcher.py OUTPUT COMMAND...`.

A process of its own, and a small one: Linux counts the memory of the process that forks to the
peak of its child, and the benchmark itself may be larger than what it measures. Standard library
only; started with `python -I -S`.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    """Run the command, wait, write wall and CPU seconds, peak bytes and exit code to OUTPUT."""
    output, *command = sys.argv[1:]
    began = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    ended = time.perf_counter()
    cost = {
        "wall": ended - began,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
        "exit": os.waitstatus_to_exitcode(status),
    }
    with open(output, "w", encoding="utf-8") as file:
        json.dump(cost, file)


if __name__ == "__main__":
    main()
