#!/usr/bin/env bash
# Passes all tests on a fresh machine. Where no Vulkan driver is installed it first installs two that compute on the CPU:
# Mesa's, and SwiftShader, which Chromium brings.
set -euo pipefail
cd "$(dirname "$0")/.."

swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json
found=""

look() {
    found=$(cargo run -q --release --features cli -- adapters --json | grep '"type"' || true)
}

look
if [ "$(uname -s)" = Linux ] && [ -z "$found" ]; then
    if command -v apt-get >/dev/null; then
        sudo=""
        [ "$(id -u)" = 0 ] || sudo=sudo
        $sudo apt-get update -q
        $sudo apt-get install -y -q --no-install-recommends mesa-vulkan-drivers chromium
        look
    else
        echo "no Vulkan driver found: install one, for example Mesa's lavapipe (mesa-vulkan-drivers)" >&2
        exit 1
    fi
fi

if [ -e "$swiftshader" ] && ! grep -qv '"software"' <<<"$found"; then
    # No hardware. SwiftShader compiles a kernel in a tenth of the time that Mesa's driver takes, and that is what the tests
    # wait for: everything goes through it, and through the other what is held against other libraries.
    # (All but two tests, whose kernels it takes minutes to compile.)
    VK_ICD_FILENAMES=$swiftshader cargo test --release --features cli -- --skip ranks_on_the_way
    cargo test --release --features cli --test library -- golden threads differences three_losses ranks_on_the_way weighted:: carried::
    cargo test --release --features cli --test cli -- a_device_agrees
else
    cargo test --release --features cli
fi
