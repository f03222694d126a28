"""Keeps the workspace between two starts: objects by kind and id in SQLite, written by a thread so that nobody waits for it."""

import queue
import sqlite3
import threading
from pathlib import Path

import orjson

from sandbox.slack.state import JSON

_SCHEMA = "CREATE TABLE IF NOT EXISTS object (kind TEXT, id TEXT, body BLOB, PRIMARY KEY (kind, id)) WITHOUT ROWID"
_Write = tuple[str, str, bytes | None]


class Store:
    """Objects that survive. Reading happens once, at the start; every write is queued and lands within moments."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; its folder has to exist."""
        self._path = path
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(_SCHEMA)
        db.close()
        self._thread = threading.Thread(target=self._write, name="slack-store", daemon=True)
        self._thread.start()
        self._closed = False

    def load(self, kind: str) -> list[JSON]:
        """All objects of this kind, ordered by id."""
        db = sqlite3.connect(self._path)
        rows = db.execute("SELECT body FROM object WHERE kind = ? ORDER BY id", (kind,)).fetchall()
        db.close()
        return [orjson.loads(row[0]) for row in rows]

    def put(self, kind: str, id: str, body: JSON) -> None:
        """Keep this object under its kind and id."""
        self._queue.put((kind, id, orjson.dumps(body)))

    def drop(self, kind: str, id: str) -> None:
        """Forget the object."""
        self._queue.put((kind, id, None))

    def close(self) -> None:
        """Write what is queued, then end. May be called twice."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join(timeout=5)

    def _write(self) -> None:
        db = sqlite3.connect(self._path)
        db.execute("PRAGMA synchronous=OFF")  # a sandbox that loses power may lose a second
        going = True
        while going:
            batch = [self._queue.get()]
            while not self._queue.empty() and len(batch) < 1000:
                batch.append(self._queue.get())
            with db:
                for item in batch:
                    if item is None:
                        going = False
                    elif item[2] is None:
                        db.execute("DELETE FROM object WHERE kind = ? AND id = ?", item[:2])
                    else:
                        db.execute("INSERT OR REPLACE INTO object VALUES (?, ?, ?)", item)
        db.close()
