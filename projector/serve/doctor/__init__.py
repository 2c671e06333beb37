"""Diagnosis for `doctor`: `probe` collects, `facts` are the values, `checks` judge them."""
