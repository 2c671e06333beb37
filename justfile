# Daily commands: `just` lists them. `pip install rust-just`, or the environment's own: .venv/bin/just

python := ".venv/bin/python"

# What there is
default:
    @just --list

# An environment with all that development needs, and hooks for commits
setup:
    python3 -m venv .venv
    .venv/bin/pip install -q -e '.[dev]'
    .venv/bin/pre-commit install

# The pure tests, in seconds
quick *ARGS:
    {{python}} -m pytest -q --hypothesis-profile quick tests/unit {{ARGS}}

# All tests of a push: a real PostgreSQL, systemd, the real Codex
test *ARGS:
    {{python}} -m pytest -q {{ARGS}}

# What the newest Codex has that is new, and what to do about it
drift *ARGS:
    {{python}} -m tests.live.drift --latest {{ARGS}}

# Sessions with the pinned Codex, the latest and the last five: a table
releases *ARGS:
    {{python}} -m tests.live.releases {{ARGS}}

# The tests marked `scheduled`, which take long; .ci/scheduled adds many examples, fuzz and a soak
scheduled *ARGS:
    {{python}} -m pytest -q --scheduled {{ARGS}}

# Style, types, dead code
lint:
    {{python}} -m ruff check .
    {{python}} -m ruff format --check .
    {{python}} -m mypy
    {{python}} -m vulture

# Style, as far as it can be set by a program
format:
    {{python}} -m ruff check --fix .
    {{python}} -m ruff format .

# Pages, man page, units and settings file, made anew from the code
docs:
    {{python}} -m tests.support.docs

# What the tests reach, with the floor that CI holds
coverage:
    {{python}} -m pytest -q --cov --cov-report=term:skip-covered --hypothesis-profile quick tests/unit

# Benchmarks by name; without names, all (an hour)
bench *NAMES:
    {{python}} -m tests.benchmarks {{NAMES}}

# All that CI does
ci:
    bash .ci/run
