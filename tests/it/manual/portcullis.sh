#!/usr/bin/env bash
# What is `portcullis` on a page? The built binary. `run` takes the place of one that runs, and ends here when it is ready.
set -euo pipefail
[ "${1-}" = run ] || exec "$STAGE/portcullis" "$@"

running() {
  for process in /proc/[0-9]*; do
    [ "$process/exe" -ef "$STAGE/portcullis" ] && echo "${process#/proc/}"
  done
  true
}

for process in $(running); do kill -INT "$process"; done
while [ -n "$(running)" ]; do sleep 0.01; done

said=$STAGE/said
: >"$said"
"$STAGE/portcullis" "$@" >>"$STAGE/stdout" 2>>"$said" &
process=$!
until grep -q ': ready$' "$said"; do
  if ! kill -0 "$process" 2>/dev/null; then
    cat "$said"
    wait "$process"
  fi
  sleep 0.01
done
