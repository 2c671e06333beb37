"""In: one line of a legacy rollout, an event, a call or its output. Out: what items they make."""
