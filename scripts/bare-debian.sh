#!/usr/bin/env bash
# Proves that a fresh clone works on a bare Debian 12: makes a minimal system with nothing but Node 20 in it (no Redis,
# no compiler, no git), clones this repository into it as committed, and visits it.
#
#   sudo scripts/bare-debian.sh                                npm start, a first message, stop, npm test
#   sudo scripts/bare-debian.sh --corpus FILE [--limit 20000]  and a replay of FILE with its verification in between
#   sudo scripts/bare-debian.sh -- npm ci                      a command of your own instead, in the clone
#
# --keep leaves the system where it is. The base system is kept in .millrace/ and made again with --fresh.
# Everything runs in a mount and process namespace of its own: mounts and processes end with this script, however it ends.
set -euo pipefail
cd "$(dirname "$0")/.."

corpus='' limit=20000 keep='' fresh=''
while [ $# -gt 0 ]; do
  case "$1" in
    --corpus) corpus="$(realpath "$2")" && shift 2 ;;
    --limit) limit="$2" && shift 2 ;;
    --keep) keep=yes && shift ;;
    --fresh) fresh=yes && shift ;;
    --) shift && break ;;
    *) echo "unknown option $1; see the head of scripts/bare-debian.sh" >&2 && exit 2 ;;
  esac
done
[ "$(id -u)" -eq 0 ] || { echo 'A chroot needs root: run it with sudo.' >&2; exit 1; }
command -v debootstrap >/dev/null || { echo 'Type:  apt-get install debootstrap' >&2; exit 1; }

mirror="${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
cache="$PWD/.millrace/bare-debian"
base="$cache/base.tar"
registry="$(npm config get registry)"
ca="${NODE_EXTRA_CA_CERTS:-$(npm config get cafile 2>/dev/null || true)}"
case "$ca" in null | undefined) ca='' ;; esac
mkdir -p "$cache"
system="$(mktemp -d "${TMPDIR:-/tmp}/millrace-bare-debian-XXXXXX")"
chmod 755 "$system"
cleanup() {
  if [ -n "$keep" ]; then echo "• kept: $system"; else rm -rf --one-file-system "$system"; fi
}
trap cleanup EXIT

# Fetches a package of the npm registry and unpacks it into a folder.
unpack() {
  local parcel
  parcel="$(mktemp -d)"
  (cd "$parcel" && npm pack --silent "$1" >/dev/null)
  mkdir -p "$2"
  tar -xzf "$parcel"/*.tgz -C "$2" --strip-components=1
  rm -rf "$parcel"
}

if [ -n "$fresh" ] || [ ! -f "$base" ]; then
  echo '• making a minimal Debian 12 (a few minutes, once)'
  debootstrap --variant=minbase bookworm "$system" "$mirror" >"$cache/debootstrap.log" 2>&1 || {
    tail -n 20 "$cache/debootstrap.log" >&2
    exit 1
  }
  case "$(uname -m)" in x86_64) platform=linux-x64 ;; aarch64) platform=linux-arm64 ;; esac
  unpack "node-$platform@20" "$system/opt/node"
  # The npm that Node 20 comes with.
  unpack npm@10.8.2 "$system/usr/local/lib/node_modules/npm"
  ln -s /opt/node/bin/node "$system/usr/local/bin/node"
  for name in npm npx; do ln -s "../lib/node_modules/npm/bin/$name-cli.js" "$system/usr/local/bin/$name"; done
  chmod +x "$system"/usr/local/lib/node_modules/npm/bin/*.js
  tar -C "$system" --one-file-system -cf "$base.next" .
  mv "$base.next" "$base"
else
  echo "• unpacking the minimal Debian 12 of $(date -r "$base" +%F) (--fresh makes a new one)"
  tar -C "$system" -xf "$base"
fi

# What a machine has from its network: names, a proxy for apt, certificates of the place. No credentials.
cp -L /etc/resolv.conf "$system/etc/resolv.conf"
cp -L /etc/hosts "$system/etc/hosts"
{
  echo "deb $mirror bookworm main"
  echo "deb $mirror bookworm-updates main"
} >"$system/etc/apt/sources.list"
grep -hs 'Acquire::.*[Pp]roxy' /etc/apt/apt.conf /etc/apt/apt.conf.d/* >"$system/etc/apt/apt.conf.d/80proxy" || true
inside=(HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  npm_config_registry="$registry" npm_config_update_notifier=false MILLRACE_PORT="${MILLRACE_PORT:-7400}"
  CORPUS='' LIMIT="$limit")
for name in http_proxy https_proxy no_proxy; do [ -z "${!name:-}" ] || inside+=("$name=${!name}"); done
if [ -n "$ca" ]; then
  install -D -m 644 "$ca" "$system/etc/ssl/certs/place.crt"
  inside+=(NODE_EXTRA_CA_CERTS=/etc/ssl/certs/place.crt npm_config_cafile=/etc/ssl/certs/place.crt)
fi
if [ -n "$corpus" ]; then
  mkdir -p "$system/corpus"
  touch "$system/corpus/$(basename "$corpus")"
  inside+=(CORPUS="/corpus/$(basename "$corpus")")
fi

git clone --quiet --no-hardlinks "$PWD" "$system/root/millrace"
echo "• cloned $(git -C "$system/root/millrace" log -1 --format='%h %s')"
[ $# -gt 0 ] || set -- bash scripts/bare-debian-visit.sh

export SYSTEM="$system" CORPUS_OUTSIDE="$corpus"
# shellcheck disable=SC2016
unshare --mount --pid --fork --kill-child bash -euc '
  mount --make-rprivate /
  mount -t proc proc "$SYSTEM/proc"
  mount --rbind /dev "$SYSTEM/dev"
  if [ -n "$CORPUS_OUTSIDE" ]; then
    inside="$SYSTEM/corpus/$(basename "$CORPUS_OUTSIDE")"
    mount --bind "$CORPUS_OUTSIDE" "$inside"
    mount -o remount,bind,ro "$inside"
  fi
  cd "$SYSTEM/root/millrace"
  environment=()
  while [ "$1" != -- ]; do environment+=("$1"); shift; done
  shift
  exec chroot "$SYSTEM" env -i "${environment[@]}" sh -c "cd /root/millrace && exec \"\$@\"" sh "$@"
' bash "${inside[@]}" -- "$@"
