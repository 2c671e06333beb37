"""Entry point: `projector` and `python -m projector`."""

from __future__ import annotations

import gc
import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import threading

#: Options with a value that may stand before the command.
_WITH_VALUE: Final = ("--config", "--database", "--codex-home")


def main() -> None:
    """Run the command line and exit with its exit code."""
    # Modules and records have few cycles: garbage collection at the default rate takes a tenth of
    # the start time.
    gc.set_threshold(50_000, 20, 20)
    named = 1
    while sys.argv[named : named + 1] and sys.argv[named] in _WITH_VALUE:
        named += 2
    brief = sys.argv[named : named + 1] == ["health"]
    if brief:
        gc.disable()  # a run of a tenth of a second needs no collector: 5 ms less
    from projector import cli  # noqa: PLC0415 - after that

    sys.excepthook = _report_fault
    sys.unraisablehook = _report_unraisable
    if not brief:  # it has no threads
        import threading  # noqa: PLC0415 - see above

        threading.excepthook = _report_thread
    code = cli.run(sys.argv[1:])
    if brief:
        sys.stderr.flush()
        os._exit(code)  # nothing is left to clean up: 8 ms less
    sys.exit(code)


def _report_fault(
    kind: type[BaseException], fault: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback of a fault of this program without known passwords."""
    import traceback  # noqa: PLC0415 - only where something went wrong

    from projector.model.redaction import redact  # noqa: PLC0415 - same

    sys.stderr.write(redact("".join(traceback.format_exception(kind, fault, trace))))


def _report_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Print the traceback of a fault that cannot be raised, as `_report_fault` does."""
    fault = unraisable.exc_value
    if fault is not None:
        sys.stderr.write(f"{unraisable.err_msg or 'Exception ignored'}:\n")
        _report_fault(unraisable.exc_type, fault, unraisable.exc_traceback)


def _report_thread(ended: threading.ExceptHookArgs) -> None:
    """Print the traceback of the fault that ended a thread, as `_report_fault` does."""
    if ended.exc_value is not None and ended.exc_type is not SystemExit:
        name = "a thread" if ended.thread is None else ended.thread.name
        sys.stderr.write(f"Exception in thread {name}:\n")
        _report_fault(ended.exc_type, ended.exc_value, ended.exc_traceback)


if __name__ == "__main__":
    main()
