"""A Slack that agrees to everything and remembers what it was told: where whoever acted is looking, all of it is on screen."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

Json = dict[str, Any]


class Ear:
    """Serves the Web API under `/api/` and response urls under `/answer/`. `heard`: what came since `forget`, oldest first."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Json]] = []
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                body = json.loads(text) if text.startswith("{") else dict(parse_qsl(text))
                answer = json.dumps(ear.hear(self.path.rpartition("/")[2], body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def hear(self, method: str, body: Json) -> Json:
        """One call: kept, and answered as if it were done."""
        if method == "users.info":
            is_guest = "GUEST" in body["user"]
            user = {"id": body["user"], "name": body["user"], "tz": "UTC", "profile": {}, "is_restricted": is_guest}
            return {"ok": True, "user": user}
        if method == "auth.test":
            return {
                "ok": True,
                "team_id": "T1",
                "team": "Acme",
                "user_id": "UBOT",
                "bot_id": "B1",
                "url": "https://acme.example/",
            }
        self.heard.append((method, body))
        n = str(len(self.heard))
        if method == "conversations.open":
            return {"ok": True, "channel": {"id": "D1"}}
        if method == "files.getUploadURLExternal":
            return {"ok": True, "upload_url": f"{self.url}/answer/file", "file_id": "F1"}
        return {"ok": True, "channel": "D1", "ts": n, "view": {"id": f"V{n}"}, "channels": [], "members": []}

    def forget(self) -> None:
        """What was said so far does not count."""
        self.heard = []

    def words(self) -> str:
        """All that was said, in order, as one text."""
        return "\n".join(json.dumps(body, ensure_ascii=False) for _, body in list(self.heard))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
