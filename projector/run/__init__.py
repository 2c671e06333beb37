"""Where the steps meet: discover, read, decode, reduce, store, again and again."""
