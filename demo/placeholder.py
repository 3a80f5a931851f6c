"""Answers for an environment that has no release yet: ``python -m demo.placeholder CODE HOST PORT``."""

from __future__ import annotations

import html
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{code}</title></head>
<body><h1>{code}</h1><p>Nothing is deployed here yet. Create a job with the rule <code>shop-deploy</code>.</p></body></html>
"""


class Handler(BaseHTTPRequestHandler):
    """Answers everything with 503 and the same page."""

    page: bytes = b""

    def do_GET(self) -> None:
        """Say that there is nothing."""
        self.send_response(503)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.page)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: nobody wants to know who saw nothing."""


def main(code: str, host: str, port: int) -> None:
    """Serve until the end."""
    Handler.page = _PAGE.format(code=html.escape(code)).encode()
    ThreadingHTTPServer((host, port), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
