"""Rules of the store, the same on every engine: what follows from the rows there are. Pure."""
