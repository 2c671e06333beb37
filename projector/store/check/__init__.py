"""Whether a database holds what the rollouts say: rows compared, derived values recomputed."""
