#!/usr/bin/env bash
# Runs the compiled tests, all of them or the files given, on this Node. What people read goes to
# standard output; the record that test-all.sh counts goes to .cache/tests.tap, or where RECORD says.
set -euo pipefail
cd "$(dirname "$0")/.."

# Streams are open files, and many shells allow only 1,024 of them.
readonly MAX_FILES=20000
# No test may keep a machine busy for ever, in milliseconds.
readonly TIMEOUT_MS=900000
readonly RECORD=${RECORD:-.cache/tests.tap}

raise_open_files() {
  local hard
  hard=$(ulimit -Hn)
  if [ "$hard" = unlimited ] || [ "$hard" -gt "$MAX_FILES" ]; then hard=$MAX_FILES; fi
  ulimit -Sn "$hard"
}

raise_open_files
mkdir -p .cache
rm -f "$RECORD"
files=("$@")
# Faults under load take minutes and the whole machine: `npm run test:faults` runs them by themselves.
if [ ${#files[@]} = 0 ]; then
  for file in dist/test/*/*.test.js; do
    case $file in dist/test/faults/*) ;; *) files+=("$file") ;; esac
  done
fi
# One file at a time: tests start servers, proxies and browsers and expect answers in time.
exec node --test --test-concurrency=1 --test-timeout="$TIMEOUT_MS" \
  --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination="$RECORD" \
  "${files[@]}"
