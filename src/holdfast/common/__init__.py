"""Words that every module shares. No I/O, imports nothing of ours."""
