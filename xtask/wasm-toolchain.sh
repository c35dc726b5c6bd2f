#!/usr/bin/env bash
# Makes a Rust toolchain for wasm32-unknown-unknown in the directory DIR from Debian's packages, for systems where
# rustup cannot be had. `cargo xtask setup` calls it; `DIR/bin/cargo` and `DIR/bin/rustc` are the result.
#
# Debian's rustc-web has the compiler without a standard library for this target, so that is built from rust-web-src.
set -euo pipefail

dir=${1:?usage: wasm-toolchain.sh DIR}
target=wasm32-unknown-unknown
packages=(rustc-web cargo-web rust-web-src)

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif [ -t 0 ]; then sudo "$@"
  else sudo --non-interactive "$@"; fi
}
apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends "$@"; }

if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
  as_root apt-get update --quiet
  apt_install "${packages[@]}"
fi

host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
# The linker: a rustup toolchain brings one, else LLVM's.
linker=$(ls "${RUSTUP_HOME:-$HOME/.rustup}"/toolchains/*/lib/rustlib/"$host"/bin/rust-lld 2>/dev/null | head -n 1 || true)
if [ -z "$linker" ]; then
  command -v wasm-ld-19 >/dev/null || apt_install lld-19
  linker=$(command -v wasm-ld-19)
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
: > "$work/src/lib.rs"
cat > "$work/Cargo.toml" <<'TOML'
[package]
name = "mkstd"
version = "0.0.0"
edition = "2021"
[profile.release]
opt-level = 3
codegen-units = 1
TOML
(
  cd "$work"
  env -u RUSTUP_TOOLCHAIN -u CARGO RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR="$work/target" \
    /usr/bin/cargo build --release --target "$target" -Zbuild-std=std,panic_abort,panic_unwind,test,proc_macro
)

rm -rf "$dir"
mkdir -p "$dir/bin" "$dir/lib/rustlib/$target/lib" "$dir/lib/rustlib/$host/bin"
find "$work/target/$target/release/deps" -name 'lib*.rlib' ! -name 'libmkstd*' -exec cp {} "$dir/lib/rustlib/$target/lib/" \;
ln -s "/usr/lib/rustlib/$host/lib" "$dir/lib/rustlib/$host/lib"
ln -s "$linker" "$dir/lib/rustlib/$host/bin/rust-lld"
for program in rustc rustdoc; do
  printf '#!/bin/sh\nPATH="%s:$PATH" exec /usr/bin/%s --sysroot "%s" "$@"\n' \
    "$dir/lib/rustlib/$host/bin" "$program" "$dir" > "$dir/bin/$program"
  chmod +x "$dir/bin/$program"
done
ln -s /usr/bin/cargo "$dir/bin/cargo"
/usr/bin/rustc --version > "$dir/version"
