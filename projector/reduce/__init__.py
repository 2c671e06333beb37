"""Reducers: turn records and a small state into changes of rows and the next state."""
