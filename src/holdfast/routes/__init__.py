"""The lines of the microbuses, one direction each."""
