#!/usr/bin/env bash
# Runs docker/Dockerfile where there is no container engine: reads it, and runs its own steps, for each stage in a
# minimal Debian of the release and with the Node that its FROM names. Then serves what came out, as its user, on a
# read-only file system, with the environment, the secrets and the Redis of a compose file, in a network of its
# own: asks /healthz, /readyz and the HEALTHCHECK, and stops it.
#
#   sudo scripts/dockerfile-steps.sh                                        the node of docker/compose.yaml
#   sudo scripts/dockerfile-steps.sh --compose docker/compose.cluster.yaml  the nodes of that file, over its Redis
#
# --keep leaves the systems where they are; --fresh makes their bases in .millrace/ again. The context is this repository
# as committed. The base images are stood for by Debian and by the registry's Node, so layers and tags are not shown.
set -euo pipefail
cd "$(dirname "$0")/.."

keep='' fresh='' compose=docker/compose.yaml
while [ $# -gt 0 ]; do
  case "$1" in
    --compose) compose="$2" && shift 2 ;;
    --keep) keep=yes && shift ;;
    --fresh) fresh=yes && shift ;;
    *) echo "unknown option $1; see the head of scripts/dockerfile-steps.sh" >&2 && exit 2 ;;
  esac
done
# shellcheck source=scripts/lib/debian.sh
. scripts/lib/debian.sh
need_debootstrap
command -v ip >/dev/null || { echo 'Type:  apt-get install iproute2' >&2; exit 1; }

work="$(mktemp -d "${TMPDIR:-/tmp}/millrace-dockerfile-XXXXXX")"
chmod 755 "$work"
cleanup() {
  if [ -n "$keep" ]; then echo "• kept: $work"; else rm -rf --one-file-system "$work"; fi
}
trap cleanup EXIT

# In mounts and processes of its own, which end with it, however it ends.
apart() { unshare --mount --pid --fork --kill-child "$@"; }

stages="$(node scripts/dockerfile-steps.mjs stages)"
while read -r stage suite node <&3; do
  mkdir -m 755 "$work/$stage"
  debian "$suite" "$node" "$work/$stage" "$fresh"
  fresh=''
  # As the official image has it.
  chroot "$work/$stage" useradd --uid 1000 --create-home --user-group --shell /bin/bash node
  environment_inside "$work/$stage"
done 3<<<"$stages"

git clone --quiet --no-hardlinks "$PWD" "$work/context"
echo "• the context is $(git log -1 --format='%h %s')"
node="$(command -v node)"
INSIDE="$(printf '%s\n' "${inside[@]}")" apart "$node" scripts/dockerfile-steps.mjs build "$work"
apart --net sh -c 'ip link set lo up && exec "$@"' sh "$node" scripts/dockerfile-steps.mjs serve "$work" "$compose"
