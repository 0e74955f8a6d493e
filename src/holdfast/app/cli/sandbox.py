"""``holdfast sandbox``."""

from pathlib import Path
from typing import Annotated

import typer

PORT = 8002


def sandbox(
    port: Annotated[int, typer.Option(help="Where it listens, on 127.0.0.1.", min=0, max=65_535)] = PORT,
    data: Annotated[Path, typer.Option(help="The directory of its database.")] = Path(".holdfast/sandbox"),
    webhook_url: Annotated[str, typer.Option(help="Where it sends webhooks. Default: this machine's web server.")] = "",
    late_s: Annotated[float, typer.Option(help="How long what happens later takes, in seconds.", min=0.0)] = 3.0,
    silence_s: Annotated[float, typer.Option(help="How long a request hangs that is never answered, in seconds.", min=0.0)] = 30.0,
) -> None:
    """Run the sandbox: a payment gateway that moves no money, for trying things out."""
    import uvicorn

    from holdfast.app import logs
    from holdfast.app.faults import Fault
    from holdfast.app.sandbox.http import create_sandbox
    from holdfast.app.settings import load_settings

    settings = load_settings()
    if settings.is_production:
        raise Fault("The sandbox moves no money, so it does not run with HOLDFAST_ENV=production.")
    logs.configure(settings)
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    app = create_sandbox(
        data / "sandbox.sqlite3",
        settings.sandbox_gateway_secret.get_secret_value(),
        webhook_url or f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/api/v1/webhooks/gateways/sandbox",
        late_s=late_s,
        silence_s=silence_s,
    )
    uvicorn.run(
        app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", lifespan="on", log_config=None, access_log=False,
        timeout_graceful_shutdown=1, server_header=False,
    )  # fmt: skip
