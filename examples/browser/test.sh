#!/usr/bin/env bash
# Makes the page and goes through it in a headless Chromium: how it loads, what it says without a device, how it looks (pictures in
# target/browser/screenshots), and whether a few cases of every loss, every metric and outputs of rows are right; more of them by `--quick` or `--full`.
# Where something is named, as in `test.sh --quick mse,binary` or `test.sh write,looks`, it does only that. Fails without a browser, without a device, and where one number is off.
set -euo pipefail
cd "$(dirname "$0")/../.."
extent=small
case "${1:-}" in
    --small | --quick | --full)
        extent=${1#--}
        shift
        ;;
esac
bash examples/browser/build.sh
exec target/browser/build/release/wgloss-browser-tool try target/browser/page target/browser/screenshots "$extent" "$@"
