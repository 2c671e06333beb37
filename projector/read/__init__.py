"""In: a rollout and its checkpoint. Out: whole lines with their places."""
