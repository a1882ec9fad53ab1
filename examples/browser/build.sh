#!/usr/bin/env bash
# Makes the page in target/browser/page: plain files, to be served from anywhere. With a rustc that has the target wasm32-unknown-unknown
# (`rustup target add wasm32-unknown-unknown`), or else with Debian's, which is unpacked below target/browser and not installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=$PWD/target/browser
out=$home/page
mkdir -p "$home"

flags=(build -p wgloss-browser --profile browser --target wasm32-unknown-unknown --target-dir "$home/build")
# What goes through a loss of one's own is made for the 2 MiB of a thread; the usual 1 MiB here would do for reading it alone.
export RUSTFLAGS="${RUSTFLAGS:-} -C link-arg=-zstack-size=4194304"

# Debian's compiler has no standard library for wasm32, but its sources.
debian() {
    local root=$home/debian
    if [ ! -e "$root/done" ]; then
        command -v apt-get >/dev/null || {
            echo "no target wasm32-unknown-unknown: rustup target add wasm32-unknown-unknown" >&2
            exit 1
        }
        rm -rf "$root" "$home/packages"
        mkdir -p "$root" "$home/packages"
        apt-cache show rustc-web >/dev/null 2>&1 || apt-get update -q
        # One that does not match the others is of no use, so all of one version.
        local version std llvm
        version=$(apt-cache show rustc-web | sed -n 's/^Version: //p' | head -n 1)
        std=$(apt-cache show libstd-rust-web-dev="$version" | grep -o 'libstd-rust-web-[0-9.]*[0-9]' | head -n 1)
        llvm=$(apt-cache show "$std=$version" | grep -o 'libllvm[0-9]*' | head -n 1)
        (
            cd "$home/packages"
            apt-get download -q "rustc-web=$version" "rust-web-src=$version" "libstd-rust-web-dev=$version" "$std=$version" "$llvm"
            for package in *.deb; do dpkg -x "$package" "$root"; done
        )
        rm -rf "$home/packages"
        touch "$root/done"
    fi
    # Linkers are alike enough that the installed one's will do.
    local linker
    linker=$(find "$(rustc --print sysroot)/lib/rustlib" -name rust-lld -type f | head -n 1)
    export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu
    RUSTC=$root/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker \
        cargo "${flags[@]}" -Z build-std=std,panic_abort
}

if ls "$(rustc --print sysroot)"/lib/rustlib/wasm32-unknown-unknown/lib/libstd-*.rlib >/dev/null 2>&1; then
    cargo "${flags[@]}"
else
    debian
fi
RUSTFLAGS="" cargo build --release -p wgloss-browser-tool --target-dir "$home/build"

rm -rf "$out"
mkdir -p "$out"
cp examples/browser/page/* "$out"
"$home/build/release/wgloss-browser-tool" bind "$home/build/wasm32-unknown-unknown/browser/wgloss_browser.wasm" "$out"

for file in "$out"/*; do
    printf '%-18s %9d bytes, %8d with gzip' "$(basename "$file")" "$(wc -c <"$file")" "$(gzip -9c "$file" | wc -c)"
    if command -v brotli >/dev/null; then printf ', %8d with brotli' "$(brotli -c "$file" | wc -c)"; fi
    echo
done
