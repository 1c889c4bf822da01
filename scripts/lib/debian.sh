# shellcheck shell=bash
# Minimal Debian systems, for the scripts that prove something on one. Sourced from the root of the clone; needs root.

mirror="${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
cache="$PWD/.millrace/bare-debian"
mkdir -p "$cache"

need_debootstrap() {
  [ "$(id -u)" -eq 0 ] || { echo 'A chroot needs root: run it with sudo.' >&2; exit 1; }
  command -v debootstrap >/dev/null || { echo 'Type:  apt-get install debootstrap' >&2; exit 1; }
}

# unpack PACKAGE FOLDER: fetches a package of the npm registry and unpacks it there.
unpack() {
  local parcel
  parcel="$(mktemp -d)"
  (cd "$parcel" && npm pack --silent "$1" >/dev/null)
  mkdir -p "$2"
  tar -xzf "$parcel"/*.tgz -C "$2" --strip-components=1
  rm -rf "$parcel"
}

# make_debian SUITE NODE FOLDER: a minimal Debian with that Node, the npm that it comes with, and nothing else.
make_debian() {
  local platform npm
  debootstrap --variant=minbase "$1" "$3" "$mirror" >"$cache/debootstrap.log" 2>&1 || {
    tail -n 20 "$cache/debootstrap.log" >&2
    return 1
  }
  case "$(uname -m)" in x86_64) platform=linux-x64 ;; aarch64) platform=linux-arm64 ;; esac
  unpack "node-$platform@$2" "$3/opt/node"
  # Node's own list of changes, the newest first, is where the registry says it.
  npm="$(grep -om1 'upgrade npm to [0-9.]*' "$3/opt/node/CHANGELOG.md")"
  unpack "npm@${npm##* }" "$3/usr/local/lib/node_modules/npm"
  ln -s /opt/node/bin/node "$3/usr/local/bin/node"
  for name in npm npx; do ln -s "../lib/node_modules/npm/bin/$name-cli.js" "$3/usr/local/bin/$name"; done
  chmod +x "$3"/usr/local/lib/node_modules/npm/bin/*.js
}

# debian SUITE NODE FOLDER [fresh]: the same, from .millrace/ when it was made before, with the network of this place.
debian() {
  local base="$cache/$1-node-$2.tar"
  if [ -n "${4:-}" ] || [ ! -f "$base" ]; then
    echo "• making a minimal Debian $1 with Node $2 (a few minutes, once)"
    make_debian "$1" "$2" "$3"
    tar -C "$3" --one-file-system -cf "$base.next" .
    mv "$base.next" "$base"
  else
    echo "• unpacking the minimal Debian $1 with Node $2 of $(date -r "$base" +%F) (--fresh makes a new one)"
    tar -C "$3" -xf "$base"
  fi
  # What a machine has from its network: names, a proxy for apt. No credentials.
  cp -L /etc/resolv.conf "$3/etc/resolv.conf"
  cp -L /etc/hosts "$3/etc/hosts"
  printf 'deb %s %s main\n' "$mirror" "$1" "$mirror" "$1-updates" >"$3/etc/apt/sources.list"
  grep -hs 'Acquire::.*[Pp]roxy' /etc/apt/apt.conf /etc/apt/apt.conf.d/* >"$3/etc/apt/apt.conf.d/80proxy" || true
}

# environment_inside FOLDER: fills the array `inside` with what programs in that system need to reach the registry, and
# puts the certificates of the place there.
environment_inside() {
  local ca="${NODE_EXTRA_CA_CERTS:-$(npm config get cafile 2>/dev/null || true)}"
  inside=(HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    npm_config_registry="$(npm config get registry)" npm_config_update_notifier=false)
  for name in http_proxy https_proxy no_proxy; do [ -z "${!name:-}" ] || inside+=("$name=${!name}"); done
  case "$ca" in '' | null | undefined) return ;; esac
  install -D -m 644 "$ca" "$1/etc/ssl/certs/place.crt"
  inside+=(NODE_EXTRA_CA_CERTS=/etc/ssl/certs/place.crt npm_config_cafile=/etc/ssl/certs/place.crt)
}
