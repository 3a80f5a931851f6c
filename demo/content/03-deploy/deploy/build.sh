#!/bin/sh
# Packs a release into dist/shop.tar.gz, with its commit in it and its checksum beside it.
set -eu
cd "$(dirname "$0")/.."
rm -rf dist
mkdir dist
git rev-parse HEAD > dist/COMMIT
tar -czf dist/shop.tar.gz --exclude=__pycache__ VERSION shop static -C dist COMMIT
cd dist
sha256sum shop.tar.gz | tee shop.tar.gz.sha256
