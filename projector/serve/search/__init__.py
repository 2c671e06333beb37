"""Search over items: the question, the hits, the words around them."""
