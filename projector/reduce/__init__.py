"""In: records and a small state. Out: the changes they make to the rows, and the state after."""
