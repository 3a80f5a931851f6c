"""The pages, asked for over HTTP."""

import json
import threading
import unittest
from urllib.error import HTTPError
from urllib.request import urlopen

from shop.web import serve, stamp


class WebTest(unittest.TestCase):
    """A server on a port of its own."""

    def setUp(self) -> None:
        """Start it."""
        self.server = serve("127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def tearDown(self) -> None:
        """Stop it."""
        self.server.shutdown()
        self.server.server_close()

    def get(self, path: str) -> str:
        """Return what the server answers."""
        with urlopen(self.address + path, timeout=5) as answer:
            return str(answer.read().decode())

    def test_page_shows_the_products(self) -> None:
        """The first page is the catalogue."""
        self.assertIn("Teapot", self.get("/"))

    def test_version_is_the_one_in_the_file(self) -> None:
        """A deployment asks this question."""
        self.assertEqual(json.loads(self.get("/version"))["version"], stamp("VERSION"))

    def test_health(self) -> None:
        """It says that it lives."""
        self.assertEqual(self.get("/health"), "ok\n")

    def test_nothing_outside_of_static_is_served(self) -> None:
        """Neither the template nor the code."""
        for path in ("/static/../VERSION", "/static/index.html", "/VERSION"):
            with self.assertRaises(HTTPError) as caught:
                self.get(path)
            caught.exception.close()
            self.assertEqual(caught.exception.code, 404)
