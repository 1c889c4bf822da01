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
# shellcheck source=scripts/lib/debian.sh
. scripts/lib/debian.sh
need_debootstrap

system="$(mktemp -d "${TMPDIR:-/tmp}/millrace-bare-debian-XXXXXX")"
chmod 755 "$system"
cleanup() {
  if [ -n "$keep" ]; then echo "• kept: $system"; else rm -rf --one-file-system "$system"; fi
}
trap cleanup EXIT

debian bookworm 20 "$system" "$fresh"
environment_inside "$system"
inside+=(MILLRACE_PORT="${MILLRACE_PORT:-7400}" CORPUS='' LIMIT="$limit")
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
