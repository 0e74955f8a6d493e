"""The stops of the microbuses."""
