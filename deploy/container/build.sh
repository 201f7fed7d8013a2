#!/usr/bin/env bash
# Builds the server on a bare Debian or Ubuntu that has Rust, as root: what the build stages of the Dockerfile do. It
# takes what `cargo xtask package` takes, and leaves in target/release what that leaves there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
apt-get update
# What xtask itself needs; it installs the rest.
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends build-essential ca-certificates
cargo xtask package "$@"
