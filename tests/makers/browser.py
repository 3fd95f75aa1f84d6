"""A headless Chromium that is driven over its debugging pipe: no package needed."""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


def chromium() -> str:
    """The browser's path. Its absence skips, unless CI or UNICTK_BROWSER says that it must be there."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found:
        return found
    if os.environ.get("CI") or os.environ.get("UNICTK_BROWSER"):
        pytest.fail("no chromium on PATH, and CI or UNICTK_BROWSER is set")
    pytest.skip("no chromium on PATH")


@contextmanager
def browsing(path: str, profile: Path) -> Iterator[Tab]:
    """A tab of a new browser, which ends with the block."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # The pipe is expected at 3 and 4: the shell puts it there.
    line = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "about:blank"]
    process = subprocess.Popen(
        ["bash", "-c", line, path, *flags, f"--user-data-dir={profile}"],
        pass_fds=(theirs_in, theirs_out),
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Tab(ours_in, ours_out)
    finally:
        process.terminate()
        process.wait(30)
        os.close(ours_in)
        os.close(ours_out)


class Tab:
    """One page. ``requests`` are the addresses that it asked for."""

    def __init__(self, incoming: int, outgoing: int, patience: float = 120.0) -> None:
        self.incoming, self.outgoing, self.patience = incoming, outgoing, patience
        self.numbers = itertools.count(1)
        self.read = b""
        self.session = ""
        self.requests: list[str] = []
        (target,) = [one for one in self.send("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        attach = {"targetId": target["targetId"], "flatten": True}
        self.session = self.send("Target.attachToTarget", **attach)["sessionId"]
        for domain in ("Page", "Runtime", "DOM", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.outgoing, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def receive(self) -> dict[str, Any]:
        while b"\0" not in self.read:
            ready, _, _ = select.select([self.incoming], [], [], self.patience)
            assert ready, "the browser says nothing"
            chunk = os.read(self.incoming, 65536)
            assert chunk, "the browser is gone"
            self.read += chunk
        first, _, self.read = self.read.partition(b"\0")
        message = json.loads(first)
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        return message

    def open(self, address: str) -> None:
        self.send("Page.navigate", url=address)

    def value(self, expression: str) -> Any:
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        until = time.monotonic() + self.patience
        while self.value(condition) is not True:
            assert time.monotonic() < until, f"never: {condition}\n{self.value('document.body.innerText')}"
            time.sleep(0.1)

    def click(self, element: str) -> None:
        self.wait(f"!!({element})")
        self.value(f"{element}.click()")

    def type(self, selector: str, text: str, enter: bool = False) -> None:
        """Put the caret into a field, replace what is there, and press Enter if wanted."""
        self.wait(f"!!document.querySelector({selector!r})")
        self.value(f"(e => {{ e.focus(); e.select(); }})(document.querySelector({selector!r}))")
        self.send("Input.insertText", text=text)
        if enter:
            key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
            self.send("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
            self.send("Input.dispatchKeyEvent", type="keyUp", **key)
        else:
            self.value(f"document.querySelector({selector!r}).blur()")

    def upload(self, selector: str, file: Path) -> None:
        self.wait(f"!!document.querySelector({selector!r})")
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file)])
