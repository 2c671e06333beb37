"""In: one line. Out: the record it holds, or what is odd about it."""
