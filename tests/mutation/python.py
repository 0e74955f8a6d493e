"""Mutants of the core in Python: ``python -m tests.mutation.python run``, then ``results`` or ``show NAME``.

This is mutmut with one change: it passes over every decorated function, and so over the desk's whole transaction, which is
``@retried``. That decorator takes the function as it finds it, so its mutants are as good as any.
"""

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation import file_mutation

MUTATED_ALTHOUGH_DECORATED = "retried"


class Visitor(file_mutation.MutationVisitor):
    """Goes into functions that ``retried`` decorates, too."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        match node:
            case cst.FunctionDef(decorators=[cst.Decorator(decorator=cst.Name(value=name))]) if name == MUTATED_ALTHOUGH_DECORATED:
                return False
        return bool(super()._skip_node_and_children(node))


if __name__ == "__main__":
    file_mutation.MutationVisitor = Visitor  # type: ignore[misc]
    cli()
