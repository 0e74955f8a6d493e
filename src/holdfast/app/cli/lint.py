"""``holdfast lint``."""


def lint() -> None:
    """Check style, types, the direction of imports, and the SQL of the migrations."""
    import os
    import subprocess
    import sys
    import tempfile
    from pathlib import Path

    from holdfast.app.migration import sql_to_lint
    from holdfast.app.running import CHECKOUT

    programs = Path(sys.prefix) / "bin"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    with tempfile.TemporaryDirectory() as directory:
        for revision, text in sql_to_lint().items():
            (Path(directory) / f"{revision}.sql").write_text(text)
        checks = [
            ["ruff", "check", "."],
            ["ruff", "format", "--check", "."],
            ["mypy"],
            ["lint-imports"],
            ["squawk", "--config", str(CHECKOUT / ".squawk.toml"), *sorted(map(str, Path(directory).iterdir()))],
        ]
        failed = []
        for name, *arguments in checks:
            print(f"$ {name} {' '.join(arguments[:2])}", flush=True)
            if subprocess.run([programs / name, *arguments], cwd=CHECKOUT, env=environment, check=False).returncode != 0:
                failed.append(name)
    if failed:
        raise SystemExit(f"Failed: {', '.join(failed)}")
