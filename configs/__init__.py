"""What can be said: the typed settings, how they are loaded, and what is wrong with them."""
