"""What is logged (`events`) and how it is written (`render`)."""
