#!/usr/bin/env bash
# Everything that has to hold, on a fresh machine with Node and npm: test tools, dependencies,
# build, checks, every test with coverage on this Node, faults under load, and every test but those
# on Node 24 in Debian 13.
# Ends with the exit code of the first section that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

# The records of the runs on this Node and of the one on Node 24, as run-tests.sh leaves them.
readonly RECORDS='.cache/tests.tap .cache/faults.tap .cache/debian13/project/.cache/tests.tap'
current='start'

section() {
  current=$1
  printf '\n=== %s (%s s) ===\n' "$current" "$SECONDS"
}

# The last line: what node's own reports say, added up over the runs.
print_sum() {
  local status=$? records=() record
  for record in $RECORDS; do if [ -e "$record" ]; then records+=("$record"); fi; done
  [ "$status" = 0 ] || printf '\nfailed: %s (exit code %s)\n' "$current" "$status"
  [ ${#records[@]} -gt 0 ] || return 0
  printf '\n'
  awk '
    match($0, /# SKIP.*/) { print "skipped: " $0 }
    /^# (pass|fail|cancelled|skipped|todo) [0-9]+$/ { count[$2] += $3 }
    END {
      printf "%d passed, %d failed, %d skipped\n",
        count["pass"], count["fail"] + count["cancelled"], count["skipped"] + count["todo"]
    }' "${records[@]}"
}

suite_on_node_24() {
  if [ "$(id -u)" != 0 ]; then
    echo 'left out: a Debian 13 root can be made by root only'
  elif ! command -v debootstrap >/dev/null; then
    echo 'left out: debootstrap is not installed'
  elif [ "$(uname -m)" != x86_64 ]; then
    echo 'left out: only made for x86-64 so far'
  else
    scripts/debian13.sh npm test
  fi
}

main() {
  # shellcheck disable=SC2086 # one word per record
  rm -f $RECORDS
  trap print_sum EXIT
  section 'Test tools'
  scripts/install-test-tools.sh
  section 'Dependencies'
  npm ci
  section 'Build'
  rm -rf dist
  npm run build
  section 'Checks'
  npm run check
  section "Tests with coverage on Node $(node --version)"
  npm run coverage
  section 'Faults under load'
  npm run test:faults
  section 'Tests on Node 24 in Debian 13'
  suite_on_node_24
  section 'All sections passed'
}

main
