#!/usr/bin/env bash
# Everything that has to hold, on a fresh machine with Node and npm. What runs where, and why:
#   this Node      test tools, dependencies, build and checks; every test, with its coverage gate
#                  (`npm run coverage`); then faults under load, which want the machine for themselves.
#   two threads    faults once more with -threads 2: those that are about streams, not about one process.
#   Node 24        what differs there is Node, the binary of the addon and the system around it: unit,
#   in Debian 13   http, conformance, security, data path and process, each client library, curl and
#                  Python, and one file behind each proxy. Browsers, the other proxy tests and faults
#                  look at bytes that these have checked, and are left out. With -threads 2: what is the
#                  same with one thread has been seen above.
#   Node 22        in the same Debian 13: only Node and the addon differ, so no clients or proxies.
# run-tests.sh knows which files run side by side. `npm test` is the quick part of it, for every change.
# What is needed to test at all ends it at once; tests that fail do not keep the later ones from
# running, so that one run tells all. Its exit code is 1 then.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

# Where run-tests.sh leaves the records of its runs, on this Node and inside Debian 13.
readonly RECORDS='.cache/records .cache/debian13/project/.cache/records'
current='start'
failed=()

section() {
  current=$1
  printf '\n=== %s (%s s) ===\n' "$current" "$SECONDS"
}

# tests NAME COMMAND...: a section of tests; remembers in `failed` that one failed.
tests() {
  section "$1"
  shift
  "$@" || failed+=("$current (exit code $?)")
}

# The last line: what node's own reports say, added up over the runs.
print_sum() {
  local status=$? records=() record folder
  for folder in $RECORDS; do
    for record in "$folder"/*.tap; do if [ -e "$record" ]; then records+=("$record"); fi; done
  done
  if [ "$status" != 0 ]; then
    [ ${#failed[@]} -gt 0 ] || failed+=("$current (exit code $status)")
    printf '\nfailed: %s' "${failed[@]}"
    printf '\n'
  fi
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

# on_debian13 NODE LANE THREADS: that lane of run-tests.sh on that Node, its servers with so many threads.
on_debian13() {
  if [ "$(id -u)" != 0 ]; then
    echo 'left out: a Debian 13 root can be made by root only'
  elif ! command -v debootstrap >/dev/null; then
    echo 'left out: debootstrap is not installed'
  elif [ "$(uname -m)" != x86_64 ]; then
    echo 'left out: only made for x86-64 so far'
  else
    scripts/debian13.sh "$1" env TEST_THREADS="$3" npm run test:lane -- "$2"
  fi
}

main() {
  # shellcheck disable=SC2086 # one word per folder
  rm -rf $RECORDS
  trap print_sum EXIT
  section 'Test tools'
  scripts/install-test-tools.sh
  section 'Dependencies'
  npm ci
  section 'Build'
  rm -rf dist
  npm run build
  section 'Checks'
  npm run lint
  tests "Tests with coverage on Node $(node --version)" npm run coverage
  tests 'Faults under load' npm run test:faults
  tests 'Faults under load, two threads' env TEST_THREADS=2 scripts/run-tests.sh threads
  tests 'Tests on Node 24 in Debian 13, two threads' on_debian13 24 system 2
  tests 'Tests on Node 22 in Debian 13' on_debian13 22 addon 1
  [ ${#failed[@]} -eq 0 ] || exit 1
  section 'All sections passed'
}

main
