"""Typed settings from the environment and ``.env``. Only ``app/`` loads them; everything else is handed what it needs."""

from holdfast.config.settings import DEVELOPMENT_SECRET, Environment, Settings, UnsafeSettings

__all__ = ["DEVELOPMENT_SECRET", "Environment", "Settings", "UnsafeSettings"]
