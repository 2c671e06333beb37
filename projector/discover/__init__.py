"""In: folders. Out: which rollouts there are, and when there may be news of them."""
