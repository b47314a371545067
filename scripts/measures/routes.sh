# TAILDIR through a channel to a sink, by Tailwater and by real Flume from the same flume.conf and the same input.
#
# The clock runs from the moment the agent opens the input until its channel has handed out the last line, by its own
# counters (Flume's JSON over HTTP); CPU is the process's own over that span. Idle memory is that of the started agent
# that has seen no line; start is from the command to the log's "SOURCE, name: r1 started".
# shellcheck shell=bash
# shellcheck disable=SC2154  # here, scratch, input, events, runs and binary are those of scripts/bench

declare_measure taildir-null 'TAILDIR -> memory channel -> null sink, beside Flume' route memory null
declare_measure taildir-file-null 'TAILDIR -> file channel -> null sink, beside Flume' route file null
declare_measure taildir-file-kafka 'TAILDIR -> file channel -> Kafka, beside Flume: the durable path' route file kafka

# route CHANNEL SINK NAME
route() {
  local channel=$1 sink=$2 name=$3 run system systems=(tailwater) peer='' address='' \
    must_cpu='' must_peak='' must_idle=''
  (need curl curl) || {
    missing "$name: not measured, there is no curl here (see above)"
    return
  }
  if [[ $sink == kafka ]]; then
    start_server kafka || {
      missing "$name: not measured, there is no Kafka broker here (see above)"
      return
    }
    address=$("$here/kafka" address)
  fi
  if "$here/peers/flume" install; then
    systems+=(flume)
    peer='Flume 1.11.0'
  else
    missing "$name: Flume is missing here (see above); Tailwater alone is measured"
  fi
  # The durable path is what the first goals are set for.
  if [[ $channel == file ]]; then must_cpu='>=5' must_peak='<=0.1' must_idle='<=0.1'; fi

  local -A rate per_cpu peak idle start
  for ((run = 1; run <= runs; run++)); do
    for system in "${systems[@]}"; do
      say "$name: $system, run $run of $runs"
      run_route "$system" "$channel" "$sink" "$address"
      rate[$system]+=" $run_rate" per_cpu[$system]+=" $run_per_cpu" peak[$system]+=" $run_peak"
      idle[$system]+=" $run_idle" start[$system]+=" $run_start"
    done
  done
  figure "$name: events" events/s '' "$peer" "${rate[tailwater]}" "${rate[flume]:-}"
  figure "$name: events per CPU-second" events/CPU-s "$must_cpu" "$peer" "${per_cpu[tailwater]}" "${per_cpu[flume]:-}"
  figure "$name: peak memory" MiB "$must_peak" "$peer" "${peak[tailwater]}" "${peak[flume]:-}"
  figure "$name: idle memory" MiB "$must_idle" "$peer" "${idle[tailwater]}" "${idle[flume]:-}"
  figure "$name: time to start" s '' "$peer" "${start[tailwater]}" "${start[flume]:-}"
}

now() { echo "${EPOCHREALTIME/[.,]/}"; } # microseconds

# Microseconds of processor time that the process has used, all its threads together.
cpu_of() {
  local fields
  read -ra fields <<<"$(sed 's/.*) //' "/proc/$1/stat")"
  echo $(((fields[11] + fields[12]) * 1000000 / $(getconf CLK_TCK)))
}

memory_of() { awk -v field="$2:" '$1 == field { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }

taken() {
  curl -s --max-time 5 "http://127.0.0.1:$metrics_port/metrics" |
    sed -n 's/.*"CHANNEL\.c1":{[^}]*"EventTakeSuccessCount":"\([0-9]*\)".*/\1/p'
}

source_started() { grep -q 'SOURCE, name: r1 started' "$folder/agent.log" || agent_ended; }
metrics_answer() { [[ $(taken) ]] || agent_ended; }
agent_ended() { [[ ! -e /proc/$agent/fd ]] || [[ $(sed 's/.*) //' "/proc/$agent/stat") == Z* ]]; }
has_opened() { [[ $(find "/proc/$agent/fd" -lname "$folder/input/app.log" 2>/dev/null) ]] || agent_ended; }

# look_until COMMAND…: fifty times a second, at most five minutes.
look_until() {
  local deadline=$((SECONDS + 300))
  until "$@"; do
    ((SECONDS < deadline)) || die "$system: not within five minutes: $*; see $folder/agent.log"
    sleep 0.02
  done
  ! agent_ended || { tail -5 "$folder/agent.log" >&2; die "$system ended; see $folder/agent.log"; }
}

# One run in a folder of its own. Leaves its figures in run_*.
run_route() {
  local system=$1 channel=$2 sink=$3 address=$4 folder=$scratch/$1 agent began used topic=bench-$1-$$-$RANDOM count=0
  local metrics_port=$((20000 + RANDOM % 10000))
  until free "$metrics_port"; do metrics_port=$((metrics_port + 1)); done
  rm -rf "$folder"
  mkdir -p "$folder/input"
  [[ $sink != kafka ]] || "$here/kafka" topic "$topic" 1
  route_conf >"$folder/agent.conf"

  began=$(now)
  start_system >"$folder/agent.log" 2>&1 </dev/null &
  agent=$!
  look_until source_started
  run_start=$(awk -v us="$(($(now) - began))" 'BEGIN { print us / 1e6 }')
  look_until metrics_answer
  sleep 2 # for a JVM that compiles what it has just started
  run_idle=$(memory_of "$agent" VmRSS)

  ln "$input" "$folder/input/app.log"
  look_until has_opened
  began=$(now) used=$(cpu_of "$agent")
  until ((count >= events)); do
    sleep 0.05 # the agent pays for each answer
    ! agent_ended || die "$system ended; see $folder/agent.log"
    count=$(taken)
    count=${count:-0}
  done
  local took=$(($(now) - began))
  used=$(($(cpu_of "$agent") - used))
  run_rate=$(awk -v n="$events" -v us="$took" 'BEGIN { print n / us * 1e6 }')
  run_per_cpu=$(awk -v n="$events" -v us="$used" 'BEGIN { print n / (us > 0 ? us : 1) * 1e6 }')
  run_peak=$(memory_of "$agent" VmHWM)
  kill "$agent"
  wait "$agent" || true # a JVM ends with 143
  [[ $sink != kafka ]] || judge_topic
  rm -rf "$folder"
}

# What was counted must be there.
judge_topic() {
  local there
  there=$("$here/kafka" run org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$address" --topic "$topic" | cut -d: -f3)
  ((there >= events)) || die "$system: of $events lines only $there are in Kafka"
  "$here/kafka" drop "$topic"
}

start_system() {
  local options=(agent -n a1 -f "$folder/agent.conf" --no-reload-conf -Dflume.monitoring.type=http
    "-Dflume.monitoring.port=$metrics_port")
  case $system in
    tailwater) exec "$binary" "${options[@]}" ;;
    flume) JAVA_OPTS=${BENCH_JAVA_OPTS:--Xmx2g} exec "$here/peers/flume" "${options[@]}" ;;
  esac
}

route_conf() {
  local capacity=1000000 transaction=10000
  [[ $channel == file ]] || capacity=10000 transaction=1000
  cat <<CONF
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = TAILDIR
a1.sources.r1.channels = c1
a1.sources.r1.filegroups = f1
a1.sources.r1.filegroups.f1 = $folder/input/.*\\\\.log
a1.sources.r1.positionFile = $folder/position.json
a1.sources.r1.batchSize = 1000
a1.channels.c1.type = $channel
a1.channels.c1.capacity = $capacity
a1.channels.c1.transactionCapacity = $transaction
a1.channels.c1.checkpointDir = $folder/channel/checkpoint
a1.channels.c1.dataDirs = $folder/channel/data
a1.sinks.k1.channel = c1
CONF
  case $sink in
    null)
      cat <<CONF
a1.sinks.k1.type = null
a1.sinks.k1.batchSize = 1000
CONF
      ;;
    kafka)
      cat <<CONF
a1.sinks.k1.type = org.apache.flume.sink.kafka.KafkaSink
a1.sinks.k1.kafka.bootstrap.servers = $address
a1.sinks.k1.kafka.topic = $topic
a1.sinks.k1.flumeBatchSize = 1000
a1.sinks.k1.kafka.producer.acks = all
CONF
      ;;
  esac
}
