"""Find rollout files in CODEX_HOMEs and detect when they may have changed."""
