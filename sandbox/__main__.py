"""`python -m sandbox --port 0 --data DIR`: the stand-ins alone, without the product."""

import argparse
import sys
import tempfile
from pathlib import Path

from sandbox.app import create, listen, server
from sandbox.world import World


def main() -> None:
    """Serve until a signal comes; print `ready http://127.0.0.1:N` once requests are answered."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8765, help="0 picks a free one")
    parser.add_argument("--data", type=Path, help="where the workspace is kept (a fresh temporary folder if not given)")
    parser.add_argument("--rate-limits", action="store_true", help="apply Slack's real rate limits")
    args = parser.parse_args()
    data = args.data or Path(tempfile.mkdtemp(prefix="sandbox-"))
    data.mkdir(parents=True, exist_ok=True)
    listener = listen(args.port)
    world = World(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", data=data.resolve())
    app = create(world, rate_limits=args.rate_limits)
    ours = app.state.slack.ours
    sys.stdout.write(f"ready {world.base_url}\n")  # connections queue from listen() on
    sys.stdout.write(f"SLACK_BOT_TOKEN={ours.bot_token}\nSLACK_APP_TOKEN={ours.app_token}\n")
    sys.stdout.flush()
    server(app).run(sockets=[listener])


if __name__ == "__main__":
    main()
