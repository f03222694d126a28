"""The sandbox as a program and as one port: its ready line, its end, the product's web server behind `/app`."""

import http.server
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.slack.drive import GENERAL, MIA, Drive, running


def test_it_serves_alone_says_when_and_ends_soon(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--data", str(tmp_path / "kept")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as process:
        assert process.stdout is not None
        word, base = process.stdout.readline().split()
        assert word == "ready"
        assert len(httpx.get(f"{base}/control/people", trust_env=False, timeout=20).json()) >= 5
        with httpx.stream("GET", f"{base}/page/events", params={"user": MIA}, trust_env=False) as stream:
            next(stream.iter_lines())
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
            process.wait(5)
        assert time.monotonic() - began < 2.5


class Product(http.server.BaseHTTPRequestHandler):
    """A web server that tells what it was asked."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["content-length"])))

    def _answer(self, body: bytes) -> None:
        told = f"{self.command} {self.path} {body.decode()} {self.headers.get('cookie')}".encode()
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("set-cookie", "a=1; Path=/app")
        self.send_header("set-cookie", "b=2; Path=/app")
        if self.path == "/away":
            self.send_header("location", "https://elsewhere.example/x?y=1")
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def product() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Product)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_products_web_server_is_reached_untouched(tmp_path: Path, product: str) -> None:
    with running(tmp_path, product_url=product) as drive:
        drive.http.cookies.set("who", "mia")
        answer = drive.http.post("/app/oauth/callback%2Fx?code=a%20b&state=1", content=b"k=v")
        assert answer.text == "POST /oauth/callback%2Fx?code=a%20b&state=1 k=v who=mia"
        assert answer.headers.get_list("set-cookie") == ["a=1; Path=/app", "b=2; Path=/app"]
        away = drive.http.get("/app/away")
        assert (away.status_code, away.headers["location"]) == (302, "https://elsewhere.example/x?y=1")


def test_without_a_product_the_proxy_says_so(drive: Drive) -> None:
    assert drive.http.get("/app/healthz").status_code == 502


def test_a_command_costs_the_stand_in_a_few_milliseconds(drive: Drive) -> None:
    def one() -> float:
        began = time.perf_counter()
        drive.http.get("/control/channels")
        return time.perf_counter() - began

    assert sorted(one() for _ in range(50))[25] < 0.02, "the median round trip; 40 ms would be Nagle's algorithm at work"
    assert GENERAL in drive.screen()["channels"]
    assert Path(drive.data / "slack" / "workspace.sqlite").exists()
