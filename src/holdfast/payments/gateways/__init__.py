"""One file for each gateway: the only ones that know a vendor."""
