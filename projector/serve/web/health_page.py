"""The page of health: what `health`, `status` and `doctor` say, and the newest anomalies."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from projector.model.redaction import redact
from projector.model.settings import Settings
from projector.model.terminal_safe import one_line
from projector.serve.doctor.checks import checks
from projector.serve.doctor.probe import probe
from projector.serve.health import status
from projector.serve.health.collect import collect
from projector.serve.health.judge import judge
from projector.store.questions import pages as questions
from projector.store.reading import Connection

_ANOMALIES: Final = 50


def page(db: Connection, settings: Settings) -> dict[str, Any]:
    """Return what health and status say, and the newest anomalies."""
    facts = collect(db, settings.codex_homes, time.time_ns() // 1_000_000)
    verdict = judge(facts, settings.health)
    return {
        "level": verdict.level.name,
        "text": redact(verdict.text),
        "told": redact(status.text(facts)),
        "anomalies": questions.anomalies(db, _ANOMALIES),
    }


def examined(settings: Settings, opener: Callable[[], Connection]) -> dict[str, Any]:
    """Return what doctor says; it reads Codex's own databases, which may take seconds."""
    found = probe(settings, opener, secret_file="")
    return {
        "checks": [(one.level, one_line(redact(one.line()))) for one in checks(found, settings)]
    }
