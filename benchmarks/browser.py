"""A real headless browser, driven through the DevTools protocol of Chromium, for tests and benchmarks."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE_S = 60.0
CODES = {" ": ("Space", 32), "Enter": ("Enter", 13), "Tab": ("Tab", 9), "Escape": ("Escape", 27), "ArrowRight": ("ArrowRight", 39),
         "ArrowLeft": ("ArrowLeft", 37), "Backspace": ("Backspace", 8)}  # fmt: skip


class Tab:
    """One tab of the browser."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: WebSocketClientConnection) -> None:
        self._loop, self._connection, self._sent = loop, connection, 0
        self.requested: list[str] = []
        """Addresses that were asked for so far."""
        self.call("Network.enable")
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._sent += 1
        number = self._sent

        async def ask() -> dict[str, Any]:
            await self._connection.write_message(json.dumps({"id": number, "method": method, "params": parameters}))
            while True:
                message = await asyncio.wait_for(self._connection.read_message(), PATIENCE_S)
                assert isinstance(message, str), "the browser has gone"
                said = json.loads(message)
                if said.get("method") == "Network.requestWillBeSent":
                    self.requested.append(said["params"]["request"]["url"])
                if said.get("method") == "Network.webSocketCreated":
                    self.requested.append(said["params"]["url"])
                if said.get("id") == number:
                    assert "error" not in said, said
                    return dict(said["result"])

        return self._loop.run_until_complete(ask())

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def value(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def text(self, selector: str) -> str:
        """Text of the first element of a selector, inside of shadow roots too; empty without one."""
        search = """(() => { const look = root => { const hit = root.querySelector(SELECTOR); if (hit) return hit;
        for (const e of root.querySelectorAll('*')) if (e.shadowRoot) { const h = look(e.shadowRoot); if (h) return h } return null };
        const e = look(document); return e ? e.innerText : '' })()"""
        return str(self.value(search.replace("SELECTOR", json.dumps(selector))))

    def press(self, key: str, text: str | None = None) -> None:
        """Press and release a key."""
        code, number = CODES.get(key, (key, ord(key.upper()) if len(key) == 1 else 0))
        given = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        typed = key if len(key) == 1 else text
        self.call("Input.dispatchKeyEvent", type="keyDown", **given, **({"text": typed} if typed else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    def click(self, x: float, y: float, to: tuple[float, float] | None = None) -> None:
        """Click at a place of the tab, or drag from it."""
        common = {"button": "left", "clickCount": 1, "pointerType": "mouse"}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **common)
        for step in range(1, 6) if to else ():
            at = {"x": x + (to[0] - x) * step / 5, "y": y + (to[1] - y) * step / 5}
            self.call("Input.dispatchMouseEvent", type="mouseMoved", buttons=1, **at, **common)
        end = {"x": to[0], "y": to[1]} if to else {"x": x, "y": y}
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **end, **common)

    def picture(self, path: Path, selector: str = "") -> Path:
        """Write what the window shows as PNG, or all of an element, which may be longer than the window. Returns its path."""
        if not selector:
            path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
            return path
        box = self.value(f"""(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();
        return [b.left + scrollX, b.top + scrollY, b.width, b.height] }})()""")
        clip = dict(zip(("x", "y", "width", "height"), box, strict=True)) | {"scale": 1}
        taken = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))
        return path

    def until(self, true: Callable[[], Any], what: str) -> Any:
        """Wait until something is true."""
        end = time.monotonic() + PATIENCE_S
        while not (found := true()):
            assert time.monotonic() < end, f"{what}: {self.value('document.body.innerText')}"
            time.sleep(0.05)
        return found


@contextmanager
def browser_tabs(profile: Path, count: int = 1) -> Iterator[list[Tab]]:
    """Start a browser with some tabs; it ends with the context."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0",
        "--disable-background-networking", "--no-first-run", "--window-size=1400,900", f"--user-data-dir={profile}", "about:blank",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    loop = asyncio.new_event_loop()
    connections: list[WebSocketClientConnection] = []
    try:
        stated = profile / "DevToolsActivePort"
        end = time.monotonic() + PATIENCE_S
        while not (stated.is_file() and len(stated.read_text().splitlines()) == 2):
            assert process.poll() is None and time.monotonic() < end, "the browser does not start"
            time.sleep(0.05)
        port, path = stated.read_text().splitlines()

        async def connect(address: str) -> WebSocketClientConnection:
            return await websocket_connect(address, max_message_size=1 << 28)

        main = loop.run_until_complete(connect(f"ws://127.0.0.1:{port}{path}"))
        connections.append(main)

        async def new_tab(number: int) -> str:
            question = {"id": number, "method": "Target.createTarget", "params": {"url": "about:blank"}}
            await main.write_message(json.dumps(question))
            while True:
                said = json.loads(str(await main.read_message()))
                if said.get("id") == number:
                    return str(said["result"]["targetId"])

        tabs = []
        for number in range(count):
            target = loop.run_until_complete(new_tab(number + 1))
            connections.append(loop.run_until_complete(connect(f"ws://127.0.0.1:{port}/devtools/page/{target}")))
            tabs.append(Tab(loop, connections[-1]))
        yield tabs
    finally:

        async def close() -> None:
            for connection in connections:
                connection.close()
            await asyncio.sleep(0.05)

        loop.run_until_complete(close())
        loop.close()
        process.send_signal(signal.SIGTERM)
        process.wait(20)
