"""Loading the settings, and saying plainly what is wrong with them."""

import os
from pathlib import Path

from pydantic import ValidationError

from holdfast.app.faults import Fault
from holdfast.app.running import find_running
from holdfast.config import Settings, UnsafeSettings


def load_settings(**overrides: str) -> Settings:
    """The settings from the environment and ``.env``; ``overrides`` are named as in the environment. Raises Fault."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except UnsafeSettings as error:
        raise Fault(str(error)) from None
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_url=False, include_input=False)]
        raise Fault("\n  ".join(["Some settings are not valid (docs/reference/settings.md lists them):", *faults])) from None


def settings_of(data: Path | None = None) -> Settings:
    """The settings of the installation that a command works on: DATABASE_URL's, or else that of the running ``up``. Raises Fault."""
    if data is None and (os.environ.get("DATABASE_URL") or load_settings().database_url):
        return load_settings()
    return load_settings(**find_running(data).environment)
