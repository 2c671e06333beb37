"""The alert rules, run by Prometheus's own tool: each fires when it should, and else not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from projector.commands import load_settings as config
from tests.support import docs

RULES: Final = docs.ROOT / "config/alerts.yml"
ALERTS: Final = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}
#: Any job: nobody is told to take a certain name.
LABELS: Final = '{job="any",instance="h"}'

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None and not os.environ.keys() & {"EVERY_TEST", "CI"},
    reason="needs promtool (Debian: prometheus)",
)


class Case(NamedTuple):
    """A story of one host, with a sample of each series a minute."""

    alert: str
    what: str
    series: Mapping[str, str]
    """By metric; labels beside those of the target in braces."""
    minutes: int
    fires: int = 1
    """How often; 0: not at all."""


def lasting(value: float, minutes: int) -> str:
    """Return a value that stays."""
    return f"{value}x{minutes}"


#: Unix time as the tool has it, which begins at 0: a sign of life a minute.
ALIVE: Final = "0+60x120"
STARTED: Final = "projector_start_time_seconds"
LOOP: Final = "projector_loop_timestamp_seconds"
BEAT: Final = "projector_heartbeat_timestamp_seconds"
BEHIND: Final = "projector_behind_seconds"
FOLLOWING: Final = "projector_following"
ANOMALIES: Final = 'projector_anomalies{kind="torn"}'
OTHERS: Final = 'projector_anomalies{kind="joined"}'
BUCKET: Final = "projector_commit_duration_seconds_bucket"

CASES: Final = (
    Case("ProjectorDown", "whatever its job is called", {"up": "1x5 0x20", STARTED: "9x5"}, 15),
    Case("ProjectorDown", "another program's target is none of ours", {"up": "0x20"}, 15, 0),
    Case("ProjectorDown", "it answers", {"up": "1x20", STARTED: "9x20"}, 15, 0),
    Case("ProjectorDown", "for a minute", {"up": "1x5 0x1 1x20", STARTED: "9x5 _x1 9x20"}, 15, 0),
    Case(
        "ProjectorGone",
        "the textfile was removed, the exporter answers",
        {"up": "1x40", STARTED: "9x5"},
        30,
    ),
    Case("ProjectorGone", "the target was removed", {STARTED: "9x5", "up": "1x5"}, 30),
    Case(
        "ProjectorGone",
        "it is down, which is told already",
        {"up": "1x5 0x40", STARTED: "9x5"},
        30,
        0,
    ),
    Case("ProjectorGone", "it is there", {"up": "1x40", STARTED: "9x40"}, 30, 0),
    Case("ProjectorAbsent", "none at all", {"up": "1x60"}, 40),
    Case("ProjectorAbsent", "one is there", {"up": "1x60", STARTED: "9x60"}, 40, 0),
    Case("ProjectorHangs", "it stands still", {LOOP: lasting(0, 60)}, 10),
    Case("ProjectorHangs", "it gets on", {LOOP: ALIVE}, 60, 0),
    Case(
        "ProjectorSilent",
        "no sign of life, as of a textfile that stays",
        {BEAT: lasting(0, 60)},
        10,
    ),
    Case("ProjectorSilent", "signs of life", {BEAT: ALIVE}, 60, 0),
    Case(
        "ProjectorCannotWrite",
        "for more than a minute",
        {"projector_store_fault_seconds": "0 0+60x9"},
        5,
    ),
    Case(
        "ProjectorCannotWrite",
        "for seconds",
        {"projector_store_fault_seconds": "0 20 0 0 0 0"},
        5,
        0,
    ),
    Case("ProjectorStoreFaults", "again and again", {"projector_store_faults_total": "0+1x30"}, 20),
    Case("ProjectorStoreFaults", "once", {"projector_store_faults_total": "0x10 1x20"}, 20, 0),
    Case("ProjectorDiskFull", "200 MB", {"projector_database_free_bytes": lasting(2e8, 20)}, 10),
    Case("ProjectorDiskFull", "20 GB", {"projector_database_free_bytes": lasting(2e10, 20)}, 10, 0),
    Case("ProjectorBehind", "six minutes", {BEHIND: lasting(360, 20), FOLLOWING: "1x20"}, 10),
    Case("ProjectorBehind", "it catches up", {BEHIND: lasting(360, 20), FOLLOWING: "0x20"}, 10, 0),
    Case("ProjectorBehind", "a minute", {BEHIND: lasting(60, 20), FOLLOWING: "1x20"}, 10, 0),
    Case("ProjectorCatchesUpLong", "seven hours", {FOLLOWING: "0x420"}, 400),
    Case("ProjectorCatchesUpLong", "five hours", {FOLLOWING: "0x300 1x120"}, 400, 0),
    Case("ProjectorRestarts", "five times", {STARTED: "1 2 3 4 5 6 6x60"}, 30),
    Case("ProjectorRestarts", "once", {STARTED: "1x10 2x60"}, 30, 0),
    Case("ProjectorRolloutsSetAside", "for long", {"projector_set_aside_rollouts": "2x60"}, 40),
    Case(
        "ProjectorRolloutsSetAside",
        "for minutes",
        {"projector_set_aside_rollouts": "2x9 0x60"},
        40,
        0,
    ),
    Case("ProjectorAnomalies", "200 more", {ANOMALIES: "10x30 210x60", FOLLOWING: "1x100"}, 70),
    Case(
        "ProjectorAnomalies",
        "200 of a kind that there was none of",
        {ANOMALIES: "10x100", OTHERS: "_x30 200x60", FOLLOWING: "1x100"},
        70,
    ),
    Case(
        "ProjectorAnomalies",
        "they fall: a rebuild",
        {ANOMALIES: "900x30 10x60", FOLLOWING: "1x100"},
        70,
        0,
    ),
    Case(
        "ProjectorAnomalies",
        "they fall and come back in part",
        {ANOMALIES: "900x30 10x20 300x60", FOLLOWING: "1x120"},
        80,
        0,
    ),
    Case(
        "ProjectorAnomalies",
        "a first catching up",
        {ANOMALIES: "0+20x100", FOLLOWING: "0x100"},
        70,
        0,
    ),
    Case(
        "ProjectorCommitsSlow",
        "two seconds",
        {
            f'{BUCKET}{{le="1"}}': "0x60",
            f'{BUCKET}{{le="5"}}': "0+9x60",
            f'{BUCKET}{{le="+Inf"}}': "0+9x60",
        },
        50,
    ),
    Case(
        "ProjectorCommitsSlow",
        "a moment",
        {
            f'{BUCKET}{{le="1"}}': "0+9x60",
            f'{BUCKET}{{le="5"}}': "0+9x60",
            f'{BUCKET}{{le="+Inf"}}': "0+9x60",
        },
        50,
        0,
    ),
    Case(
        "ProjectorLogOfDatabaseGrows", "128 MB", {"projector_wal_bytes": lasting(134217728, 60)}, 30
    ),
    Case(
        "ProjectorLogOfDatabaseGrows", "as it is", {"projector_wal_bytes": lasting(16e6, 60)}, 30, 0
    ),
    Case("ProjectorPolls", "for hours", {"projector_watching_events": "0x120"}, 90),
    Case("ProjectorPolls", "events come", {"projector_watching_events": "1x120"}, 90, 0),
)


def test_every_rule_has_a_story_in_which_it_fires_and_one_in_which_not() -> None:
    told = {(case.alert, bool(case.fires)) for case in CASES}

    assert told == {(alert, fires) for alert in ALERTS for fires in (True, False)}


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_them() -> None:
    promtool("check", "rules", str(RULES))


def test_each_fires_when_it_should(tmp_path: Path) -> None:
    stories = tmp_path / "stories.yml"
    stories.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": "1m",
                "tests": [_story(case) for case in CASES],
            }
        )
    )

    promtool("test", "rules", str(stories))


def _story(case: Case) -> dict[str, Any]:
    return {
        "name": f"{case.alert}: {case.what}",
        "interval": "1m",
        "input_series": [
            {"series": _labeled(name), "values": values} for name, values in case.series.items()
        ],
        # What a firing alert says is in its annotations, so an expression asks for it.
        "promql_expr_test": [
            {
                "expr": f"count(ALERTS{_firing(case.alert)}) or vector(0)",
                "eval_time": f"{case.minutes}m",
                "exp_samples": [{"labels": "{}", "value": case.fires}],
            }
        ],
    }


def _firing(alert: str) -> str:
    return f'{{alertname="{alert}",alertstate="firing"}}'


def _labeled(name: str) -> str:
    bare, _, more = name.removesuffix("}").partition("{")
    inside = LABELS.removesuffix("}") + (f",{more}" if more else "")
    return f"{bare}{inside}}}"


@pytest.mark.parametrize("alert", ALERTS)
def test_receivers_are_told_what_and_how_to_mend_it(alert: str) -> None:
    """In the annotations that they show; a sum by host keeps what the words name."""
    annotations = ALERTS[alert]["annotations"]

    assert annotations.keys() == {"summary", "description"}
    assert set(re.findall(r"\$labels\.(\w+)", annotations["summary"])) <= {"instance"}


RECIPES: Final = [
    yaml.safe_load(text)
    for page in sorted((docs.ROOT / "projector/docs").glob("*.md"))
    for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
]


def test_prometheus_takes_the_job_of_the_manual(tmp_path: Path) -> None:
    (found,) = [one for one in RECIPES if "scrape_configs" in one]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(found))
    shutil.copy(RULES, tmp_path)

    promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_the_service_of_the_manual_says_what_settings_take() -> None:
    """For Compose; and it asks for the endpoint by the service's name."""
    (found,) = [one for one in RECIPES if "services" in one]
    (name,) = found["services"]
    service = found["services"][name]

    settings = config.load({}, env={"HOME": "/"} | service["environment"])

    assert settings.serve.host_names == (name,)
    assert settings.serve.allow_remote
    assert (docs.ROOT / service["build"]["dockerfile"]).exists()
