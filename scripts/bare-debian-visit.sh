#!/usr/bin/env bash
# What a newcomer does, run by bare-debian.sh inside the bare system: start, a first message, stop, the tests.
set -euo pipefail

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
answers() { node -e "fetch('http://127.0.0.1:$MILLRACE_PORT/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"; }

for absent in redis-server valkey-server git gcc make python3 curl sudo; do
  ! command -v "$absent" >/dev/null || fail "this system is not bare: it has $absent"
done
step "node $(node --version), npm $(npm --version), nothing else"

step 'npm start'
npm start &
server=$!
for _ in $(seq 600); do
  answers && break
  kill -0 "$server" 2>/dev/null || fail 'npm start ended'
  read -r -t 1 <> <(:) || true
done
answers || fail 'no answer on /healthz within ten minutes'

step 'a first message'
npx millrace send --as alice --to bob 'hello, bob'

if [ -n "${CORPUS:-}" ]; then
  step "replay of $LIMIT messages"
  npx millrace replay "$CORPUS" --limit "$LIMIT"
  step 'verify'
  npx millrace verify
fi

step 'stop'
kill -TERM "$server"
wait "$server" || true
for _ in $(seq 100); do
  left="$(grep -alE 'redis-serve[r]|server\.mj[s]' /proc/[0-9]*/cmdline 2>/dev/null | grep -v "/proc/$$/" || true)"
  [ -z "$left" ] && break
  read -r -t 0.1 <> <(:) || true
done
[ -z "$left" ] || fail "processes left behind: $left"

step 'npm test'
npm test
step 'done'
