"""A real HTTP server that speaks the chat protocol and misbehaves as told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[dict[str, Any], int], Any]
"""(request, how often it has come) -> a reply's text, ``(status, body)``, or seconds to sleep."""


class ChatServer:
    """Counts what comes in: ``requests`` in order, ``keys`` sent, most requests ``at_once``."""

    def __init__(self, behave: Behaviour) -> None:
        self.behave = behave
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.at_once = self.now = 0
        self.lock = threading.Lock()
        self.url = ""


@contextmanager
def serving(behave: Behaviour) -> Iterator[ChatServer]:
    state = ChatServer(behave)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                came = sum(body == other for other in state.requests)
                state.requests.append(body)
                state.keys.append(self.headers.get("Authorization"))
                state.now += 1
                state.at_once = max(state.at_once, state.now)
            try:
                said = state.behave(body, came)
                if isinstance(said, float):
                    time.sleep(said)
                    said = '{"score": 1}'
            finally:
                # Before the reply: with it in hand the client may send its next one at once.
                with state.lock:
                    state.now -= 1
            self._reply(said)

        def _reply(self, said: Any) -> None:
            status, text = said if isinstance(said, tuple) else (200, _completion(said))
            data = text.encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("retry-after-ms", "5")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # the client gave up

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def _completion(text: str) -> str:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    )
