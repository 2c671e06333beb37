"""Log events (`events`) and their formats (`render`)."""
