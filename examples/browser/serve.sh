#!/usr/bin/env bash
# Makes the page and serves it to this machine: serve.sh [PORT].
set -euo pipefail
cd "$(dirname "$0")/../.."
bash examples/browser/build.sh
exec target/browser/build/release/wgloss-browser-tool serve target/browser/page "$@"
