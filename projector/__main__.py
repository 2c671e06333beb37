"""The program: `projector` and `python -m projector`."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    if "health" in sys.argv:
        gc.disable()  # what lives for a tenth of a second needs no collector: 5 ms less
    from projector import cli  # noqa: PLC0415 - after that

    sys.exit(cli.run(sys.argv[1:]))


if __name__ == "__main__":
    main()
