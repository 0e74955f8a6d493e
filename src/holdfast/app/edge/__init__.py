"""The HTTP edge: the manners of the interface, the same for every route."""
