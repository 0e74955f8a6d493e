"""Which gateway is asked: those that somebody switched off and those that do not answer are passed over."""
