"""Install systemd units from the settings and facts about the host, or print what to run.

`units/` contains the templates; `systemd/` in the repository is generated from them too.
"""
