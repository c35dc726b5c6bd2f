#!/bin/sh
# rustc, leaving out of what it builds where on this machine the sources lay: that is nobody's business, and the same
# sources give the same page wherever they are. A wrapper and not `rustflags`, which cannot name such a place, and which
# would be replaced by those of the environment.
exec "$@" \
    --remap-path-prefix "${CARGO_HOME:-$HOME/.cargo}=cargo" \
    --remap-path-prefix "${0%/.cargo/rustc.sh}=."
