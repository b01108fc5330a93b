#!/bin/sh
# Runs targets one after the other: fuzz/run.sh SECONDS TARGET… ; what is found lies in
# fuzz/artifacts/TARGET. AGPT_FUZZ_PROGRAM names the built program (see README.md).
set -u
cd "$(dirname "$0")"
seconds=$1; shift
program=${AGPT_FUZZ_PROGRAM:-target/x86_64-unknown-linux-gnu/release/agpt_fuzz}
mkdir -p logs
for target in "$@"; do
    mkdir -p "corpus/$target" "artifacts/$target"
    AGPT_FUZZ=$target "$program" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
        -dict=agpt.dict -max_len=16384 -artifact_prefix="artifacts/$target/" -print_final_stats=1 \
        -report_slow_units=1 "corpus/$target" > "logs/$target.log" 2>&1
    echo "$target: exit $?, $(grep -a stat::number_of_executed_units "logs/$target.log")"
done
