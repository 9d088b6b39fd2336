#!/usr/bin/env bash
# Lints every shell script here. Without shellcheck this is left out, but not where CI is set.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v shellcheck >/dev/null; then
  exec shellcheck scripts/*.sh .ci/run
fi
echo 'left out: the check of the scripts (shellcheck is not installed)'
[ -z "${CI-}" ]
