#!/usr/bin/env bash
# Installs what the tests and benchmarks use beside Node: as root on Debian or Ubuntu with
# apt-get, elsewhere nothing. A test whose tool is missing says so and is left out, so this
# ends well either way and names what is left out. No service is started or switched on.
# With the word `system` only what `run-tests.sh system` uses: no browsers, no benchmarks, no faults.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# A command, a file or a pattern of files that shows the tool is there | its Debian package, of the
# same name in 12 and 13 | what needs it
readonly TOOLS='
apache2|apache2|tests behind Apache
ab|apache2-utils|tests of the compatible control listener
php|php-cli|tests of the compatible control listener, and with PHP
/usr/lib/php/*/curl.so|php-curl|tests of the recipes with PHP
/usr/share/php/GuzzleHttp/autoload.php|php-guzzlehttp-guzzle|tests of the recipes with PHP
/usr/lib/postgresql/*/bin/postgres|postgresql|tests of the recipes with PostgreSQL
nginx|nginx|tests behind nginx
/usr/lib/nginx/modules/ngx_nchan_module.so|libnginx-mod-nchan|benchmarks against Nchan
redis-server|redis-server|benchmarks against Nchan with Redis
pushpin|pushpin|benchmarks against Pushpin
zurl|zurl|benchmarks against Pushpin
condure|condure|benchmarks against Pushpin
haproxy|haproxy|tests behind HAProxy
caddy|caddy|tests behind Caddy
chromium|chromium|tests in a real browser
firefox-esr|firefox-esr|tests in Firefox
/usr/lib/*-linux-gnu*/webkit2gtk-*/MiniBrowser|webkit2gtk-driver|tests in WebKit
xvfb-run|xvfb|tests in WebKit
xauth|xauth|tests in WebKit
dbus-run-session|dbus-daemon|tests in WebKit
curl|curl|tests with curl as the client
openssl|openssl|tests over TLS
strace|strace|tests that count system calls
faketime|faketime|tests under a clock that steps
gcc|gcc|benchmarks with load from a C program
/usr/include/stdio.h|libc6-dev|benchmarks with load from a C program
python3|python3|tests with Python clients, and of the contract
ensurepip|python3-venv|tests with Python clients, and of the contract
ip|iproute2|tests that look at sockets from outside, and on bad networks
tc|iproute2|tests over a link that loses packets
nft|nftables|tests with a client whose network answers nothing
supervisord|supervisor|tests under supervisord
nats-server|nats-server|tests of several nodes
promtool|prometheus|tests of the metrics, the alerts and the dashboard
systemd-analyze|systemd|tests of the systemd unit
shellcheck|shellcheck|the check of the scripts
prlimit|util-linux|tests of a server that runs out of open files
debootstrap|debootstrap|tests on Node 22 and 24 in Debian 13
unshare|util-linux|tests on Node 22 and 24 in Debian 13
/etc/ssl/certs/ca-certificates.crt|ca-certificates|installing npm and Python packages
'
# What these lines are for is no part of `run-tests.sh system`.
readonly NOT_FOR_SYSTEM='browser|tests of the recipes|Firefox|WebKit|benchmarks|Debian 13|packets|answers nothing|the check|the alerts'
readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='# tidings: no service starts while the test tools are installed'
readonly SERVICES='apache2 nginx haproxy caddy pushpin zurl condure supervisor postgresql prometheus nats-server redis-server'
readonly SCOPE=${1-everything}
readonly PYTHON_DIR=.cache/python
readonly REQUIREMENTS=scripts/python-requirements.txt
# Where there is Go: a current server beside Debian's.
readonly NATS=github.com/nats-io/nats-server/v2@v2.15.2
readonly GO_BIN=.cache/go/bin

is_there() {
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    ensurepip) [ -x "$PYTHON_DIR/bin/python" ] || python3 -c 'import ensurepip' 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

wanted_tools() {
  if [ "$SCOPE" = system ]; then grep -Ev "$NOT_FOR_SYSTEM" <<<"$TOOLS"; else echo "$TOOLS"; fi
}

# Lines of TOOLS whose tool is not there.
missing_tools() {
  local probe package purpose
  while IFS='|' read -r probe package purpose; do
    [ -z "$probe" ] || is_there "$probe" || echo "$probe|$package|$purpose"
  done < <(wanted_tools)
}

is_debian() {
  command -v apt-get >/dev/null && grep -qsE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release
}

name_left_out() {
  local probe package purpose
  while IFS='|' read -r probe package purpose; do
    [ -z "$probe" ] || echo "left out: $purpose ($package is not installed)"
  done
}

# Packages start their services on installation unless this file forbids it. One that was there
# is put aside meanwhile; ours is known by its mark, should an earlier run have been killed.
hold_services() {
  trap release_services EXIT
  if [ -e "$POLICY" ] && ! grep -qs "$POLICY_MARK" "$POLICY"; then mv "$POLICY" "$POLICY.held"; fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
  chmod 755 "$POLICY"
}

release_services() {
  trap - EXIT
  rm -f "$POLICY"
  if [ -e "$POLICY.held" ]; then mv "$POLICY.held" "$POLICY"; fi
}

# A server that only the tests use must not take port 80 after the next boot either.
keep_off_at_boot() {
  local service
  [ -d /run/systemd/system ] || return 0
  for service in $SERVICES; do
    case " $* " in *" $service "*) systemctl disable --quiet "$service" || true ;; esac
  done
}

has_candidate() {
  [[ $(apt-cache policy "$1") =~ Candidate:\ [^\(] ]]
}

install_packages() {
  local package wanted=()
  apt-get update -qq
  for package in "$@"; do
    if has_candidate "$package"; then wanted+=("$package"); fi
  done
  [ ${#wanted[@]} -gt 0 ] || return 0
  echo "installing ${wanted[*]}"
  hold_services
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "${wanted[@]}" >/dev/null </dev/null
  release_services
  keep_off_at_boot "${wanted[@]}"
}

# Its own environment: the system's Python stays as it is, and the versions are ours.
install_python_clients() {
  is_there python3 && is_there ensurepip || return 0
  cmp -s "$REQUIREMENTS" "$PYTHON_DIR/installed.txt" && return 0
  echo "installing Python programs and clients into $PYTHON_DIR"
  rm -rf "$PYTHON_DIR"
  python3 -m venv "$PYTHON_DIR"
  "$PYTHON_DIR/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement "$REQUIREMENTS"
  cp "$REQUIREMENTS" "$PYTHON_DIR/installed.txt"
}

build_nats_server() {
  if ! is_there go || [ -x "$GO_BIN/nats-server" ]; then return 0; fi
  echo "building $NATS into $GO_BIN"
  GOBIN=$PWD/$GO_BIN go install "$NATS" || echo 'left out: tests with a current nats-server'
}

main() {
  local packages
  if [ "$(id -u)" = 0 ] && is_debian; then
    packages=$(missing_tools | cut -d'|' -f2 | sort -u)
    # shellcheck disable=SC2086 # one word per package
    [ -z "$packages" ] || install_packages $packages
    install_python_clients
  else
    echo 'not root on Debian or Ubuntu: nothing is installed'
    [ -x "$PYTHON_DIR/bin/python" ] ||
      echo 'left out: tests with Python clients, unless python3 has requests and sseclient-py, and of the contract'
  fi
  build_nats_server
  missing_tools | name_left_out
}

main
