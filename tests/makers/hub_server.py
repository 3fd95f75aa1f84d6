"""A real HTTP server that takes uploads as the Hugging Face hub does, or refuses them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class HubServer:
    """What came in: ``files`` by path, ``made`` repositories, ``keys`` by path, the ``commits``' headers."""

    def __init__(self, refuses: int | None) -> None:
        self.refuses = refuses
        self.files: dict[str, bytes] = {}
        self.made: list[dict[str, Any]] = []
        self.keys: dict[str, str | None] = {}
        self.commits: list[dict[str, Any]] = []
        self.url = ""

    def answer(self, path: str, body: bytes) -> dict[str, Any]:
        """The reply to a request."""
        if path.endswith("/repos/create"):
            self.made.append(json.loads(body))
            return {"url": f"{self.url}/me/bo"}
        if path.endswith("/validate-yaml"):
            return {"errors": [], "warnings": []}
        if "/preupload/" in path:
            asked = json.loads(body)["files"]
            return {
                "files": [
                    {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked
                ]
            }
        if "/commit/" in path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "header":
                    self.commits.append(line["value"])
                else:
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return {"commitUrl": f"{self.url}/me/bo/commit/{'0' * 40}", "commitOid": "0" * 40}
        return {"id": "me/bo", "sha": "0" * 40, "siblings": []}


@contextmanager
def hub(refuses: int | None = None) -> Iterator[HubServer]:
    """``refuses``: the status of every reply."""
    state = HubServer(refuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            state.keys[self.path] = self.headers.get("Authorization")
            if state.refuses is not None:
                self._reply(state.refuses, {"error": "refused"})
            else:
                self._reply(200, state.answer(self.path, body))

        do_GET = do_POST

        def _reply(self, status: int, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status >= 400:  # a server that repeats what it was sent
                self.send_header("X-Error-Message", f"{self.headers.get('Authorization')} may not")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
