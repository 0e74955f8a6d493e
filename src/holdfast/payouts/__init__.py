"""Paying drivers what their sessions brought in: asked for by the driver, approved by somebody else, paid once."""
