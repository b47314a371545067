# What every script here needs: where to keep things, how to speak, how to get a missing tool, how to start a server
# and know it again. Sourced, never run; whoever sources it has set `set -euo pipefail`.
# shellcheck shell=bash

# All that is fetched or written by the scripts, and nothing in the checkout.
cache=${TAILWATER_CACHE:-$HOME/.cache/tailwater}
me=$(basename "$0")

say() { echo "$me: $*" >&2; }

die() {
  say "$@"
  exit 1
}

# need COMMAND PACKAGE…: the packages, if the command is missing.
need() {
  local command=$1
  shift
  command -v "$command" >/dev/null && return
  # Debian keeps servers in /usr/sbin, which is not on everybody's PATH.
  PATH=$PATH:/usr/sbin
  command -v "$command" >/dev/null && return
  need_packages "$@"
  hash -r
  command -v "$command" >/dev/null || die "installed $*, and \`$command\` is still missing"
}

# need_packages PACKAGE…: installs them from Debian if we may, else says what to install.
need_packages() {
  if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
    die "$* must be installed first (Debian: sudo apt-get install $*), then run this again"
  fi
  say "installing $*"
  mkdir -p "$cache"
  {
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      -o DPkg::Lock::Timeout=300 "$@"
  } >"$cache/apt.log" 2>&1 || { tail -20 "$cache/apt.log" >&2; die "could not install $*; the whole of it: $cache/apt.log"; }
}

# fetch_jars POM DIR: the POM's runtime dependencies, from Maven Central; again only when the POM is another.
fetch_jars() {
  local pom=$1 dir=$2
  cmp -s "$pom" "$dir/.fetched" && return
  need java default-jre-headless
  need mvn maven
  mkdir -p "$cache"
  (
    flock 9 # two scripts may want the same jars at once
    cmp -s "$pom" "$dir/.fetched" && exit
    say "fetching the jars of $(basename "$pom") (once)"
    rm -rf "$dir"
    mvn -B -Dstyle.color=never -f "$pom" dependency:copy-dependencies -DincludeScope=runtime \
      -DoutputDirectory="$dir" >"$dir.log" 2>&1 ||
      { grep ERROR "$dir.log" | head -5 >&2; die "Maven could not fetch them; the whole of it: $dir.log"; }
    cp "$pom" "$dir/.fetched"
  ) 9>"$dir.lock"
}

# A process is known by its pid and when it started, so that a pid given to somebody else is not taken for ours.
started_at() { [[ -r /proc/$1/stat ]] && sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

remember() { echo "$2 $(started_at "$2")" >"$1"; } # remember PID_FILE PID

# pid_of PID_FILE: the pid, if that process still runs.
pid_of() {
  local pid started
  read -r pid started 2>/dev/null <"$1" || return 1
  # A zombie waits only for its parent; it serves nobody.
  [[ -n $started && $(started_at "$pid") == "$started" && $(sed 's/.*) //' "/proc/$pid/stat") != Z* ]] || return 1
  echo "$pid"
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free() { ! listening "$1"; }

# claim_port PORT VARIABLE: a server that was just killed may hold its port for a moment longer.
claim_port() { wait_until 15 free "$1" || die "port $1 is taken by another program: choose one with $2"; }

# wait_until SECONDS COMMAND…: looks four times a second; fails when the time is up.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.25
  done
}

# start_server NAME: scripts/NAME, if it does not run. What was started so, and nothing else, is stopped by stop_servers.
started=()
start_server() {
  local script
  script=$(dirname "${BASH_SOURCE[0]}")/../$1
  "$script" pid >/dev/null 2>&1 || started+=("$script")
  "$script" up >/dev/null
}
stop_servers() {
  local script
  for script in "${started[@]}"; do "$script" down; done
}

# end_server PID_FILE: asks it to stop, waits a minute.
end_server() {
  local pid
  if pid=$(pid_of "$1"); then
    kill "$pid"
    wait_until 60 ended "$1" || die "process $pid did not stop within 60 s; nothing more was done to it"
  fi
  rm -f "$1"
}

ended() { ! pid_of "$1" >/dev/null; }
