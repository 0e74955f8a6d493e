"""Mutants that no test can or need notice, and why. The same is told in docs/explain/testing.md."""

SURVIVORS: dict[str, str] = {}
