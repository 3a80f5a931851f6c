"""Serves the shop: ``python -m shop --port 8100``."""

import argparse
import logging

from shop.web import serve


def main() -> None:
    """Read the address and serve until the end."""
    parser = argparse.ArgumentParser(prog="shop", description="A very small shop.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    serve(options.host, options.port).serve_forever()


if __name__ == "__main__":
    main()
