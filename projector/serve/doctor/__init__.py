"""What stands in the way: `probe` looks, `facts` are what it saw, `checks` judge them."""
