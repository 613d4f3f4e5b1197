"""A hub on loopback: the part of the Hugging Face hub's protocol that huggingface_hub 2.4 uses to fetch a model.

GET  /api/models/OWNER/REPO[/revision/REV]?blobs=true   the commit and the files with sizes and hashes
GET  /api/models/OWNER/REPO/tree/COMMIT?recursive=true  the same as a tree
HEAD, GET /OWNER/REPO/resolve/REV/FILE                  a file; ETag, X-Repo-Commit, X-Linked-*, Range
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

COMMIT = "c0ffee" * 6 + "c0ff"
Trouble = Literal["gated", "vanished", "broken", "stalls"]


@dataclass
class Repo:
    """A repository. Large files (`.safetensors`, `.bin`) are stored with LFS, as on the hub."""

    files: dict[str, bytes]
    commit: str = COMMIT
    trouble: Trouble | None = None
    corrupt: set[str] = field(default_factory=set)
    """Files whose bytes arrive changed, at the right length."""
    cut: dict[str, int] = field(default_factory=dict)
    """After how many bytes the connection of a file's next download breaks; once."""

    def listed(self, name: str) -> dict[str, Any]:
        data = self.files[name]
        blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
        entry: dict[str, Any] = {"size": len(data), "oid": blob}
        if name.endswith((".safetensors", ".bin")):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return entry

    def etag(self, name: str) -> str:
        entry = self.listed(name)
        return str(entry["lfs"]["oid"] if "lfs" in entry else entry["oid"])


class Hub:
    """The server. `requests` are the methods and paths of everything that was asked, with `Range` where given."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.requests: list[str] = []
        self.stalled, self.go_on = threading.Event(), threading.Event()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.hub = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fetched(self, name: str) -> list[str]:
        """The downloads of a file."""
        return [line for line in self.requests if re.match(rf"GET \S+/resolve/\S+/{re.escape(name)}( |$)", line)]

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: Hub


def from_folder(folder: Path) -> Repo:
    """A repository with the files of a folder."""
    return Repo({file.name: file.read_bytes() for file in folder.iterdir()})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    @property
    def hub(self) -> Hub:
        return self.server.hub

    def do_HEAD(self) -> None:
        self._note()
        self._file(body=False)

    def do_GET(self) -> None:
        self._note()
        if self.path.startswith("/api/models/"):
            self._api()
        else:
            self._file(body=True)

    def _note(self) -> None:
        span = self.headers.get("Range")
        self.hub.requests.append(f"{self.command} {self.path.partition('?')[0]}" + (f" {span}" if span else ""))

    def _api(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/api/models/")
        owner, name, *rest = path.split("/")
        repo = self._repo(f"{owner}/{name}", rest[1] if rest else "main")
        if repo is None:
            return
        if rest[:1] == ["tree"]:
            self._json([{"type": "file", "path": each, **repo.listed(each)} for each in repo.files])
            return
        siblings = []
        for each in repo.files:
            entry = repo.listed(each)
            lfs = entry.get("lfs")
            siblings.append(
                {"rfilename": each, "size": entry["size"], "blobId": entry["oid"]}
                | ({"lfs": {"sha256": lfs["oid"], "size": lfs["size"], "pointerSize": 134}} if lfs else {})
            )
        self._json({"id": f"{owner}/{name}", "sha": repo.commit, "siblings": siblings, "tags": []})

    def _repo(self, name: str, revision: str) -> Repo | None:
        repo = self.hub.repos.get(name)
        if repo is None or repo.trouble == "vanished":
            self._error(404, "RepoNotFound")
        elif repo.trouble == "gated":
            self._error(403, "GatedRepo")
        elif repo.trouble == "broken":
            self._error(500, "")
        elif revision not in ("main", repo.commit):
            self._error(404, "RevisionNotFound")
        else:
            return repo
        return None

    def _file(self, *, body: bool) -> None:
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/([^/?]+)", self.path)
        repo = self._repo(match[1], match[2]) if match else None
        if match is None or repo is None:
            return
        name = match[3]
        if name not in repo.files:
            self._error(404, "EntryNotFound")
            return
        data = repo.files[name]
        sent = bytes([data[0] ^ 255]) + data[1:] if name in repo.corrupt else data
        start = int(re.sub(r"\D", "", self.headers.get("Range", "bytes=0-")))
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{repo.etag(name)}"')
        self.send_header("X-Repo-Commit", repo.commit)
        self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("X-Linked-Etag", f'"{repo.etag(name)}"')
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if body:
            self._send(repo, name, sent[start:])

    def _send(self, repo: Repo, name: str, data: bytes) -> None:
        if name in repo.cut:
            self.wfile.write(data[: repo.cut.pop(name)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif repo.trouble == "stalls" and name.endswith(".safetensors"):
            self.wfile.write(data[:100])
            self.wfile.flush()
            self.hub.stalled.set()
            self.hub.go_on.wait(60)
            self.close_connection = True
        else:
            self.wfile.write(data)

    def _json(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self._answer(200, {"Content-Type": "application/json"}, data)

    def _error(self, status: int, code: str) -> None:
        self._answer(status, {"X-Error-Code": code, "X-Error-Message": code} if code else {}, b"{}")

    def _answer(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass
