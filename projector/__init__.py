"""Codex rollouts as rows in SQL.

    discover   which rollouts there are, and when there may be news
       ↓
    read       bytes from the checkpoint on → whole lines with their places
       ↓
    decode     line → record, or what is odd about it
       ↓
    reduce     records + a small state → changes of rows
       ↓
    store      changes + checkpoint, in one transaction
       ↓
    serve      status, health, history: what people and programs ask

`run/` is where the steps meet; `place`, `rows` and `errors` are the words that all of them use.
"""

__version__ = "0.1.0"
