# Runs on a node, with container ids as arguments. For each that has processes writes lines "ID KEY VALUE":
#   cgroup 1|2, usage and inactive_file (bytes), cpu_ns, private_kb, pss_kb and start_ms: when its first process was made,
#   milliseconds since the epoch.
now=$(date +%s.%N)
read -r up _ </proc/uptime
for id in "$@"; do
  pids=$(grep -l -- "$id" /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3)
  [ -n "$pids" ] || continue
  for pid in $pids; do
    # Fields count from after the command's name, which may hold spaces; clock ticks are 1/100 s (proc(5)).
    ticks=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)
    [ -n "$ticks" ] && awk -v id="$id" -v now="$now" -v up="$up" -v t="$ticks" \
      'BEGIN { printf "%s start_ms %.0f\n", id, (now - up) * 1000 + t * 10 }'
    awk -v id="$id" '/^Pss:/ { pss = $2 } /^Private_(Clean|Dirty):/ { own += $2 }
      END { print id, "pss_kb", pss + 0; print id, "private_kb", own + 0 }' "/proc/$pid/smaps_rollup" 2>/dev/null
  done
  # All processes of a container are in one cgroup.
  memory=$(awk -F: '$2 == "memory" { print $3 }' "/proc/$pid/cgroup" 2>/dev/null)
  if [ -n "$memory" ]; then
    cpu=$(awk -F: '("," $2 ",") ~ /,cpuacct,/ { print $3 }' "/proc/$pid/cgroup")
    echo "$id cgroup 1"
    echo "$id usage $(cat "/sys/fs/cgroup/memory$memory/memory.usage_in_bytes")"
    awk -v id="$id" '$1 == "total_inactive_file" { print id, "inactive_file", $2 }' "/sys/fs/cgroup/memory$memory/memory.stat"
    echo "$id cpu_ns $(cat "/sys/fs/cgroup/cpuacct$cpu/cpuacct.usage")"
  else
    folder=/sys/fs/cgroup$(awk -F: '$1 == 0 { print $3 }' "/proc/$pid/cgroup")
    echo "$id cgroup 2"
    echo "$id usage $(cat "$folder/memory.current")"
    awk -v id="$id" '$1 == "inactive_file" { print id, "inactive_file", $2 }' "$folder/memory.stat"
    awk -v id="$id" '$1 == "usage_usec" { print id, "cpu_ns", $2 "000" }' "$folder/cpu.stat"
  fi
done
