"""Mutants that no test can or need notice, and why. The same is told in docs/explain/testing.md."""

SURVIVORS: dict[str, str] = {
    "usual_wait, line 1: true becomes false": "What is set for the whole connection is what the connection was opened with.",
    "lock_pools_nobody_has, line 2: ORDER BY id becomes nothing": "Who skips what is locked waits for nobody, in whatever order.",
    "lock_pools_nobody_has, line 2: ORDER BY id becomes ORDER BY id DESC": "Who skips what is locked waits for nobody, in whatever order.",
}
