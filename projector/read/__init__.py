"""Read complete lines of a rollout from a checkpoint on, with their offsets."""
