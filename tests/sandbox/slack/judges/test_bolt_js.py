"""The journey with Bolt for JavaScript, over Socket Mode and over HTTP. Needs node and npm; says so when they are missing."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from tests.sandbox.slack.drive import Drive
from tests.sandbox.slack.judges.journey import Installed, install, take

_HERE = Path(__file__).parent / "js"


@pytest.fixture(scope="session")
def modules() -> Path:
    """A folder with the app and its packages, installed once and kept in the user's cache."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on this machine: Bolt for JavaScript did not judge the Slack stand-in")
    lock = (_HERE / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "segsync-judges" / sha256(lock).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "judge.js"):
        shutil.copy(_HERE / name, folder / name)
    if not (folder / "node_modules" / "@slack" / "bolt").exists():
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=100,
        )
        if done.returncode:
            pytest.skip(f"npm could not install Bolt for JavaScript, it did not judge: {done.stderr.strip()[-300:]}")
    return folder


@contextmanager
def node(folder: Path, drive: Drive, app: Installed, **more: str) -> Iterator[list[str]]:
    """The app as a process; the events that it heard so far."""
    env = {"PATH": os.environ["PATH"], "BASE": f"{drive.base}/slack/api/", "BOT_TOKEN": app.bot_token, **more}
    process = subprocess.Popen(["node", "judge.js"], cwd=folder, env=env, stdout=subprocess.PIPE, text=True)
    heard: list[str] = []
    started = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            heard.append(line.strip().removeprefix("heard "))
            if line.strip() == "started":
                started.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert started.wait(20), f"the app did not start: {heard}"
        yield heard
    finally:
        process.terminate()
        process.wait(10)
        reader.join(10)
        if process.stdout:
            process.stdout.close()
        assert not [line for line in heard if line.startswith("error")], heard


def test_bolt_js_over_socket_mode(drive: Drive, modules: Path) -> None:
    app = install(drive, "judge-js")
    with node(modules, drive, app, APP_TOKEN=app.app_token) as heard:
        take(drive, app, lambda: heard)


def test_bolt_js_over_http(drive: Drive, modules: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = install(drive, "judge-js-http", f"http://127.0.0.1:{port}/slack/events")
    with node(modules, drive, app, SIGNING_SECRET=app.signing_secret, PORT=str(port)) as heard:
        take(drive, app, lambda: heard)
