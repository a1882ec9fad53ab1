#!/usr/bin/env bash
# Passes all tests on a fresh machine. Where no Vulkan driver is installed it first installs Mesa's software driver.
set -euo pipefail
cd "$(dirname "$0")/.."

adapters() {
    cargo run -q --release --features cli -- adapters --json | grep -c '"name"' || true
}

if [ "$(uname -s)" = Linux ] && [ "$(adapters)" = 0 ]; then
    if command -v apt-get >/dev/null; then
        sudo=""
        [ "$(id -u)" = 0 ] || sudo=sudo
        $sudo apt-get update -q
        $sudo apt-get install -y -q mesa-vulkan-drivers
    else
        echo "no Vulkan driver found: install one, for example Mesa's lavapipe (mesa-vulkan-drivers)" >&2
        exit 1
    fi
fi

cargo test --release --features cli
