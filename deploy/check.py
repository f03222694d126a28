"""What the build of the image tries after it has thrown out what nobody needs: a missing part ends the build, not a refresh.

Every module imports; segments as Parquet and CSV are read, hashed and known again by their rows; what is sealed opens; an object
store keeps what it is given.
"""

import hashlib
import pkgutil
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import psycopg

from core import vault
from core.fingerprints import fingerprints
from core.identity import identify, needed
from core.models import Channel
from core.shelves import Objects, try_out
from core.store.migrate import migrate
from sources.files import FilesSource

for package in ("bot", "channels", "core", "queues", "sandbox", "sources"):
    for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        import_module(module.name)
for name in ("cli", "demo"):
    import_module(name)

with TemporaryDirectory() as made:
    folder = Path(made)
    people = pl.DataFrame({"email": ["A@Example.com ", "b@example.com"], "phone": ["+34 600 000 001", None]})
    people.write_parquet(folder / "a.parquet")
    people.write_csv(folder / "b.csv")
    source = FilesSource(name="files", folder=folder)
    known = []
    for segment in source.segments():
        with source.read(segment.id) as reading:
            names = needed(reading.columns)
            frame = pl.concat([pl.DataFrame(batch) for batch in reading.batches(names)])
            values = identify(frame, reading.columns, Channel.META, segment.kind).identifiers.values.to_pylist()
            known.append(fingerprints(frame, names, 1).tolist())
        digests = {hashlib.sha256(text).digest() for text in (b"a@example.com", b"b@example.com", b"34600000001")}
        assert set(values) == digests, f"{segment.id} is hashed to something else"
    assert len(known) == 2, "two segments lie there"
    assert known[0] == known[1], "the same rows are the same in either form"
    try_out(Objects(f"file://{folder / 'ledgers'}"))
    migrate(f"sqlite:///{folder / 'segsync.db'}")

seal = vault.Vault({"first": vault.new_key()}, "first")
assert seal.open(seal.seal(b"token", bound_to="row"), bound_to="row") == b"token", "what is sealed opens"
assert psycopg.pq.version() >= 140000, "PostgreSQL's own library is there"
