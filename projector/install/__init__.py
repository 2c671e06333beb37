"""In: settings and the host. Out: units of systemd in their place, or a word on what to run.

`units/` holds the templates, the one source: `systemd/` in the repository is made of them too.
"""
