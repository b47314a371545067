#!/usr/bin/env bash
# Runs an agent in the background, with a pid file and a log, and tells whether it is *working*, not only alive.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: scripts/start-agent.sh start   NAME CONF [option of flume-ng agent…]
       scripts/start-agent.sh stop    NAME [CONF]
       scripts/start-agent.sh status  NAME [CONF]
       scripts/start-agent.sh restart NAME CONF [option of flume-ng agent…]

NAME is the agent's, CONF its flume.conf; flume-env.sh is taken from CONF's folder.
Pid, log and status address lie in ${FLUME_RUN_DIR:-~/.flume/run} as NAME.pid, NAME.log, NAME.status.

exit status of `status` (LSB): 0 working · 1 dead, its pid file left behind · 3 not running · 4 alive, but does not answer
       150 alive, and says that it is not working
of the others: 0 done (or already so) · 1 failed · 2 wrong usage
environment: FLUME_RUN_DIR · START_SECONDS (30) and STOP_SECONDS (60), how long to wait
USAGE
}

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
action=${1:-} name=${2:-} conf=${3:-}
case $action in
  -h | --help | help)
    usage
    exit
    ;;
esac
if [[ ! $name || (! $conf && $action == *start) ]]; then
  usage >&2
  exit 2
fi
shift $(($# < 3 ? $# : 3))
run_dir=${FLUME_RUN_DIR:-$HOME/.flume/run}
pid_file=$run_dir/$name.pid log=$run_dir/$name.log status_file=$run_dir/$name.status

# The process that the pid file names, if it is this agent: a pid may meanwhile belong to somebody else.
pid_alive() {
  local pid
  read -r pid 2>/dev/null <"$pid_file" || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -e "$pid_file" || return 1
  echo "$pid"
}

# health: prints what /healthz says; 0 working, 1 not working, 2 no answer. Needs no curl: servers may have none.
# shellcheck disable=SC2016  # $1 is for the inner bash
health() {
  local address answer
  read -r address 2>/dev/null <"$status_file" || return 2
  address=${address#http://}
  address=${address%%/*}
  answer=$(timeout 5 bash -c 'exec 3<>"/dev/tcp/${1%:*}/${1##*:}" && printf "GET /healthz HTTP/1.0\r\nHost: %s\r\n\r\n" "$1" >&3 && cat <&3' \
    - "$address" 2>/dev/null) || return 2
  answer=${answer//$'\r'/}
  [[ $answer == *$'\n\n'* ]] && echo "${answer#*$'\n\n'}"
  case $answer in
    'HTTP/1.'?' 200 '*) return 0 ;;
    'HTTP/1.'?' '*) return 1 ;;
    *) return 2 ;;
  esac
}

# wait_until SECONDS COMMAND…: ten looks a second.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

working_or_ended() { health >/dev/null || [[ ! -e /proc/$started ]]; }

gone() { ! pid_alive >/dev/null; }

start() {
  local pid
  if pid=$(pid_alive); then
    echo "$name already runs (pid $pid); log: $log"
    return
  fi
  mkdir -p "$run_dir"
  rm -f "$pid_file" "$status_file"
  setsid "$here/flume-ng" agent --conf "$(dirname "$conf")" --name "$name" --conf-file "$conf" \
    --pid-file "$pid_file" --status-file "$status_file" "$@" >>"$log" 2>&1 </dev/null &
  started=$!
  if ! wait_until "${START_SECONDS:-30}" working_or_ended; then
    echo "$name runs (pid $started) but is not working after ${START_SECONDS:-30} s: $(health || true)" >&2
    echo "its log: $log" >&2
    return 1
  fi
  if [[ ! -e /proc/$started ]]; then
    local code=0
    wait "$started" || code=$?
    echo "$name ended with status $code instead of starting; the end of $log:" >&2
    tail -20 "$log" >&2
    return 1
  fi
  echo "$name works (pid $started); log: $log"
}

stop() {
  local pid
  if ! pid=$(pid_alive); then
    rm -f "$pid_file" "$status_file"
    echo "$name does not run"
    return
  fi
  kill "$pid"
  if ! wait_until "${STOP_SECONDS:-60}" gone; then
    echo "$name (pid $pid) still drains after ${STOP_SECONDS:-60} s; nothing more was done to it; log: $log" >&2
    return 1
  fi
  rm -f "$pid_file" "$status_file"
  echo "$name stopped"
}

status() {
  local pid said code=0
  if ! pid=$(pid_alive); then
    if [[ -e $pid_file ]]; then
      echo "$name is dead, and left $pid_file behind; log: $log"
      return 1
    fi
    echo "$name does not run"
    return 3
  fi
  said=$(health) || code=$?
  case $code in
    0) echo "$name works (pid $pid)${said:+: $said}" ;;
    1)
      echo "$name is alive (pid $pid) and not working: $said"
      return 150
      ;;
    *)
      echo "$name is alive (pid $pid) and does not answer at the address in $status_file; log: $log"
      return 4
      ;;
  esac
}

case $action in
  start) start "$@" ;;
  stop) stop ;;
  status) status ;;
  restart)
    stop
    start "$@"
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
