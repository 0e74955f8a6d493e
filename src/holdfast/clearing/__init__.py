"""What gateways say that they moved and settled, beside our books: every difference is written down until it is gone."""
