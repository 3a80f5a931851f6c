"""The pages of the shop."""

import html
import json
import logging
import mimetypes
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template

from shop.catalogue import PRODUCTS, price

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "static"


def stamp(name: str) -> str:
    """Return what the file ``VERSION`` or ``COMMIT`` of this release says."""
    path = ROOT / name
    return path.read_text(encoding="ascii").strip() if path.exists() else "unknown"


def version() -> str:
    """Return which release this is, as JSON."""
    return json.dumps({"version": stamp("VERSION"), "commit": stamp("COMMIT")}, separators=(",", ":"))


def page() -> str:
    """Return the page with all products."""
    rows = "\n".join(
        f"      <tr><td>{html.escape(product.name)}</td><td>{price(product.cents)}</td></tr>"
        for product in PRODUCTS
    )
    template = Template((STATIC / "index.html").read_text(encoding="utf-8"))
    return template.substitute(
        rows=rows,
        version=stamp("VERSION"),
        commit=stamp("COMMIT")[:12],
        environment=html.escape(os.environ.get("SHOP_ENVIRONMENT", "local")),
    )


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        """Answer with a page, a static file, or 404."""
        path = self.path.partition("?")[0]
        if path == "/":
            self.answer(page().encode(), "text/html; charset=utf-8")
        elif path == "/version":
            self.answer(version().encode(), "application/json")
        elif path == "/health":
            self.answer(b"ok\n", "text/plain")
        else:
            self.static(path.removeprefix("/static/"))

    def static(self, name: str) -> None:
        """Answer with a file out of ``static/``, and with nothing from anywhere else."""
        files = {file.name: file for file in STATIC.iterdir() if file.name != "index.html"}
        if name not in files:
            self.send_error(404)
            return
        self.answer(files[name].read_bytes(), mimetypes.guess_type(name)[0] or "application/octet-stream")

    def answer(self, body: bytes, kind: str) -> None:
        """Send a complete answer."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write a request to the log."""
        logging.getLogger("shop").info("%s %s", self.address_string(), format % args)


def serve(host: str, port: int) -> ThreadingHTTPServer:
    """Return a server that listens already."""
    return ThreadingHTTPServer((host, port), Handler)
