"""The program: `projector` and `python -m projector`."""

from __future__ import annotations

import gc
import os
import sys
from types import TracebackType
from typing import Final

#: Options that may stand before the command, each with a value behind it.
_WITH_VALUE: Final = ("--config", "--database", "--codex-home")


def main() -> None:
    """Run the command line and leave with its exit code."""
    # Modules and records have few cycles: looking for them as often as by default takes a tenth of
    # the time of a start.
    gc.set_threshold(50_000, 20, 20)
    named = 1
    while sys.argv[named : named + 1] and sys.argv[named] in _WITH_VALUE:
        named += 2
    brief = sys.argv[named : named + 1] == ["health"]
    if brief:
        gc.disable()  # what lives for a tenth of a second needs no collector: 5 ms less
    from projector import cli  # noqa: PLC0415 - after that

    sys.excepthook = _report_fault
    sys.unraisablehook = _report_unraisable
    code = cli.run(sys.argv[1:])
    if brief:
        sys.stderr.flush()
        os._exit(code)  # nothing is left to be tidied up: 8 ms less
    sys.exit(code)


def _report_fault(
    kind: type[BaseException], fault: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback of a fault of ours without the passwords that are known."""
    import traceback  # noqa: PLC0415 - only where something went wrong

    from projector.model.redaction import redact  # noqa: PLC0415 - same

    sys.stderr.write(redact("".join(traceback.format_exception(kind, fault, trace))))


def _report_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Print the traceback of a fault that cannot be raised, as `_report_fault` does."""
    fault = unraisable.exc_value
    if fault is not None:
        sys.stderr.write(f"{unraisable.err_msg or 'Exception ignored'}:\n")
        _report_fault(unraisable.exc_type, fault, unraisable.exc_traceback)


if __name__ == "__main__":
    main()
