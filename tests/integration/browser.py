"""A headless Chromium driven over its debugging pipe, with nothing but the standard library.

``--window-size`` alone can't give a phone's width (a desktop window has a minimum), and only the protocol
can emulate colour schemes, print and a page without JavaScript, and list every request.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

#: Nothing of the browser's own may go out to the network while a test runs.
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
    "--hide-scrollbars",
)


def chromium() -> str:
    """Path of the browser. Fails the test, never skips it, if there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        msg = (
            "expected the program 'chromium' for the page tests, found none: run `make test`, whose set-up installs it"
        )
        raise AssertionError(msg)
    return found


class Browser:
    """One browser process and one page in it. Use as a context manager."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._next = 0
        self._rest = b""
        self.events: list[dict[str, Any]] = []
        self._session = ""

    def __enter__(self) -> Browser:
        command_read, self._out = os.pipe()
        self._in, reply_write = os.pipe()
        script = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'
        self._process = subprocess.Popen(
            [
                "bash",
                "-c",
                script,
                "browser",
                str(command_read),
                str(reply_write),
                chromium(),
                *QUIET,
                f"--user-data-dir={self._profile}",
                "about:blank",
            ],
            pass_fds=(command_read, reply_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_read)
        os.close(reply_write)
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "Accessibility"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._in, 1 << 20) if ready else b""
            assert data, "the browser went away or did not answer in time"
            self._rest += data
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command and its result; events on the way are kept."""
        self._next += 1
        body = {"id": self._next, "method": method, "params": params}
        if self._session:
            body["sessionId"] = self._session
        data = json.dumps(body).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        deadline = time.monotonic() + 60
        while True:
            message = self._receive(deadline)
            if message.get("id") == self._next:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.events.append(message)

    def open(
        self,
        page: Path,
        *,
        width: int = 1280,
        height: int = 900,
        scheme: str = "light",
        media: str = "",
        scripts: bool = True,
    ) -> None:
        """Load a page of the disk with a viewport, a colour scheme, a medium, and with or without JavaScript."""
        self.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)
        self.events.clear()
        self.send("Page.navigate", url=page.resolve().as_uri())
        deadline = time.monotonic() + 60
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive(deadline))

    def value(self, expression: str) -> Any:
        """The JSON value of a JavaScript expression. Works on a page whose own scripts are off."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result.get("exceptionDetails")
        return result["result"].get("value")

    def frame_value(self, ending: str, expression: str, *, seconds: float = 30) -> Any:
        """The value of an expression inside the frame whose address ends so, once that frame is there."""
        page, deadline = self._session, time.monotonic() + seconds
        found: list[str] = []
        while not found and time.monotonic() < deadline:
            infos = self.send("Target.getTargets")["targetInfos"]
            found = [one["targetId"] for one in infos if one["type"] == "iframe" and one["url"].endswith(ending)]
            time.sleep(0.05)
        assert found, f"expected a frame ending in {ending!r}, found none"
        self._session = self.send("Target.attachToTarget", targetId=found[0], flatten=True)["sessionId"]
        try:
            return self.value(expression)
        finally:
            self._session = page

    def requests(self) -> list[str]:
        """Every URL asked for since the page was opened."""
        return [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """Console errors, exceptions and policy violations since the page was opened."""
        logged = [e["params"]["entry"]["text"] for e in self.events if e.get("method") == "Log.entryAdded"]
        return logged + [str(e["params"]) for e in self.events if e.get("method") == "Runtime.exceptionThrown"]

    def screenshot(self, target: Path, *, whole: bool = True) -> bytes:
        """A PNG of the page, whole or what the viewport shows."""
        data = base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"])
        target.write_bytes(data)
        return data
