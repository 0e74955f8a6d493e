"""Every way in which the program says no."""

import importlib
import pkgutil

import holdfast
from holdfast.common.errors import Refusal


def all_refusals() -> list[type[Refusal]]:
    """All classes of refusals in the program, by their code."""
    for module in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
        if module.name.rpartition(".")[2] in ("errors", "refusals"):
            importlib.import_module(module.name)
    found: set[type[Refusal]] = set()
    todo: list[type[Refusal]] = [Refusal]
    while todo:
        refusal = todo.pop()
        todo += refusal.__subclasses__()
        if refusal.__module__.startswith("holdfast."):
            found.add(refusal)
    return sorted(found, key=lambda refusal: (refusal.code, refusal.__qualname__))
