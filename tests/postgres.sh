#!/usr/bin/env bash
# A throw-away PostgreSQL on a socket in its own folder: `start DIR` prints its URL, `stop DIR` ends it for good,
# `pause DIR` and `resume DIR` are an outage.
set -euo pipefail
action=$1 folder=$2
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || { echo "no PostgreSQL found" >&2; exit 1; }
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
serve() {
  as "$bin/pg_ctl" --pgdata="$folder/data" --wait --log="$folder/server.log" \
    --options="-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off -c max_connections=200" start >>"$folder.log" 2>&1
}
case $action in
  start)
    mkdir -p "$folder"
    if [ "$(id -u)" = 0 ]; then chown postgres:postgres "$folder"; fi
    as "$bin/initdb" --pgdata="$folder/data" --username=cq --auth=trust --encoding=UTF8 --no-sync >"$folder.log" 2>&1
    serve
    as "$bin/createdb" --host="$folder" --username=cq cq
    echo "postgresql+psycopg://cq@/cq?host=$folder"
    ;;
  pause)
    as "$bin/pg_ctl" --pgdata="$folder/data" --wait --mode=immediate stop >>"$folder.log" 2>&1
    ;;
  resume)
    serve
    ;;
  stop)
    [ ! -d "$folder/data" ] || as "$bin/pg_ctl" --pgdata="$folder/data" --mode=immediate stop >/dev/null 2>&1 || true
    rm -f "$folder.log"
    ;;
esac
