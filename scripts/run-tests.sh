#!/usr/bin/env bash
# Runs compiled tests on this Node:
#   scripts/run-tests.sh           every test but those under load
#   scripts/run-tests.sh faults    those under load
#   scripts/run-tests.sh quick     the server in the process of its tests, for every change
#   scripts/run-tests.sh addon     what another Node, and so another binary of the addon, can change
#   scripts/run-tests.sh system    that, and what clients and proxies of another system can change
#   scripts/run-tests.sh threads   faults that threads may change: for TEST_THREADS=2
#   scripts/run-tests.sh FILE...   these files, one after the other
# What people read goes to standard output; the records that test-all.sh counts go to
# .cache/records, named after the Node and the lane.
set -euo pipefail
cd "$(dirname "$0")/.."

# Streams are open files, and many shells allow only 1,024 of them.
readonly MAX_FILES=20000
# No test may keep a machine busy for ever, in milliseconds.
readonly TIMEOUT_MS=900000
readonly RECORDS=.cache/records
# Files side by side in the lane of that name. They wait more than they compute: all of `quick`
# takes a minute of processor time and four of waiting. With coverage they compute more.
readonly SIDE_BY_SIDE=4
readonly QUICK_SIDE_BY_SIDE=6
# Files that need the machine for themselves, whatever their folder: they flood a server, or watch
# what it costs in memory, or compute with all they get.
readonly NOT_TOGETHER='security/resources security/isolation'

# Faults that wait most of the time, and measure neither memory nor how fast: two of them at a time.
readonly WAITING_FAULTS='black-hole clock lossy-link narrow-link stopped time'

raise_open_files() {
  local hard
  hard=$(ulimit -Hn)
  if [ "$hard" = unlimited ] || [ "$hard" -gt "$MAX_FILES" ]; then hard=$MAX_FILES; fi
  ulimit -Sn "$hard"
}

# The test files of a folder and of those inside it.
tests_in() {
  find "dist/test/$1" -name '*.test.js' | sort
}

# The test files of these folders: how many of each may run side by side.
sort_into_lanes() {
  local folder file name
  together=()
  pairs=()
  alone=()
  for folder in "$@"; do
    for file in $(tests_in "$folder"); do
      name=${file#dist/test/}
      case " $NOT_TOGETHER " in
        *" ${name%.test.js} "*) alone+=("$file") && continue ;;
      esac
      case "$folder" in
        # Each has its server on a port of its own, and waits for things with deadlines that are far away.
        unit | http | conformance | security | clients | recipes) together+=("$file") ;;
        # They start programs and wait for them, but a browser or a proxy can fill a core, too.
        proxy | process | cluster | monitoring | browser) pairs+=("$file") ;;
        *) alone+=("$file") ;;
      esac
    done
  done
}

# run LANE CONCURRENCY FILE...: remembers in `status` that a test failed, so that all lanes run.
run() {
  local lane=$1 concurrency=$2
  local record
  record=$RECORDS/node$(node -p 'process.versions.node.split(".")[0]')-$lane.tap
  shift 2
  [ $# -gt 0 ] || return 0
  rm -f "$record"
  node scripts/run-files.mjs "$record" "$concurrency" "$TIMEOUT_MS" "$@" || status=$?
}

run_folders() {
  sort_into_lanes "$@"
  run together "$SIDE_BY_SIDE" "${together[@]}"
  run pairs 2 "${pairs[@]}"
  run alone 1 "${alone[@]}"
}

run_faults() {
  local file name
  pairs=()
  alone=()
  for file in $(tests_in faults); do
    name=${file#dist/test/faults/}
    case " $WAITING_FAULTS " in
      *" ${name%.test.js} "*) pairs+=("$file") ;;
      *) alone+=("$file") ;;
    esac
  done
  run faults-pairs 2 "${pairs[@]}"
  run faults-alone 1 "${alone[@]}"
}

every_folder_but_faults() {
  local folder
  for folder in dist/test/*/; do
    folder=$(basename "$folder")
    # Those without tests are what tests are made of.
    if [ "$folder" != faults ] && [ -n "$(tests_in "$folder")" ]; then
      echo "$folder"
    fi
  done
}

status=0
raise_open_files
mkdir -p "$RECORDS"
readonly ADDON='unit http conformance security data-path process'
# shellcheck disable=SC2046,SC2086 # one word per folder
case ${1-} in
  '') run_folders $(every_folder_but_faults) ;;
  quick)
    sort_into_lanes unit http conformance security
    # Of the tests that have to be alone only those that take a few seconds.
    run quick "$QUICK_SIDE_BY_SIDE" "${together[@]}"
    run quick-alone 1 dist/test/data-path/sends.test.js dist/test/monitoring/grafana.test.js ;;
  faults) run_faults ;;
  addon) run_folders $ADDON ;;
  system)
    run_folders $ADDON clients
    # Everything else about proxies is a matter of the files in deploy/, not of Node.
    run proxies 1 dist/test/proxy/delivery.test.js ;;
  threads) run faults-threads 1 dist/test/faults/{seam,restart,drain,storm,slow-crowd,churn,expiry-wave,bulk,replay-abuse}.test.js ;;
  *) run "${LANE:-files}" 1 "$@" ;;
esac
exit "$status"
