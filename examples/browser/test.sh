#!/usr/bin/env bash
# Makes the page and opens it in a headless Chromium, which verifies every loss, every metric and outputs of rows, quickly; or what is
# named, as in `test.sh mse,binary`. Fails without a browser, without a device, and where one number is off.
set -euo pipefail
cd "$(dirname "$0")/../.."
bash examples/browser/build.sh
target/browser/build/release/wgloss-browser-tool try target/browser/page "$@"
