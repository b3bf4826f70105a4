# shellcheck shell=bash disable=SC2154,SC2034 # what bootstrap and the other parts set, or use
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fuzzing, and what other compilers and analyzers say of the sources. Sourced by bootstrap.

fuzz=$src/build-fuzz
shm=

# The guard is not among the targets, and the rest needs nothing of it.
build_fuzz() { # TARGET…
        owner mkdir -p "$fuzz/found" || return 1
        if needs_autoreconf; then
                step "fuzz: autoreconf" "$fuzz/autoreconf.log" regenerate || return 1
        fi
        if needs_configure "$fuzz"; then
                step "fuzz: configure" "$fuzz/configure.log" configure_in "$fuzz" \
                        "-g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
-fno-omit-frame-pointer -Werror" \
                        CC=clang --disable-guard || return 1
        fi
        step "fuzz: make" "$fuzz/make.log" owner make -C "$fuzz" -j"$jobs" LDFLAGS=-fsanitize=fuzzer \
                "${@/#/tests/fuzz/fuzz-}"
}

# What one run has found that is new to it is where the next begins; what makes it fail stays in found/. A machine that
# stood still for a while must not pass for an input that takes long.
run_target() { # TARGET SECONDS
        owner mkdir -p "$fuzz/corpus/$1" && owner env TMPDIR="$shm" "$fuzz/tests/fuzz/fuzz-$1" -max_total_time="$2" \
                -timeout=120 \
                -report_slow_units=120 -print_final_stats=1 -artifact_prefix="$fuzz/found/$1-" "$fuzz/corpus/$1" \
                        "$src/tests/fuzz/corpus/$1"
}

fuzz_target() { # TARGET SECONDS
        local log=$fuzz/$1.log n input
        one "fuzz: $1, $2 s" "$log" run_target "$1" "$2"
        n=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        say "    $1: ${n:-an unknown number of} executions"
        input=$(sed -n 's/.*Test unit written to //p' "$log")
        [ -z "$input" ] || say "    the input that did it: $input; once more: $fuzz/tests/fuzz/fuzz-$1 $input"
}

do_fuzz() { # [SECONDS]
        local seconds=${1:-600} targets=() target before line
        [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "fuzz: \`$seconds' is no number of seconds"
        for target in "$src"/tests/fuzz/corpus/*/; do targets+=("$(basename "$target")"); done
        before=$(git_state)
        build_fuzz "${targets[@]}" || die "the fuzz targets cannot be built"
        # They write many small files.
        shm=$(owner mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/bpfdeleg-fuzz.XXXXXX") \
                || die "no temporary directory"
        for target in "${targets[@]}"; do fuzz_target "$target" "$seconds"; done
        one "no file is left that git does not ignore" "$fuzz/git.log" run_git_clean "$before"
        give_back "$fuzz"
        for line in ${failures[@]+"${failures[@]}"}; do say "FAILED: $line"; done
        say "$passed passed, $failed failed, $skipped skipped"
        [ "$failed" -eq 0 ]
}

# ---- analyze ---------------------------------------------------------------------------------------------------------

do_analyze() {
        local dir=$src/build-analyze before line tail_lines=200
        before=$(git_state)
        owner mkdir -p "$dir" || die "$dir cannot be made"
        if needs_autoreconf; then
                step "analyze: autoreconf" "$dir/autoreconf.log" regenerate || exit 1
        fi
        if needs_configure "$dir"; then
                step "analyze: configure" "$dir/configure.log" configure_in "$dir" \
                        "-g -O2 -fanalyzer -DBD_ANALYZE -Werror" CC=gcc || exit 1
        fi
        one "gcc -fanalyzer" "$dir/make.log" owner make -C "$dir" -k -j"$jobs" all
        one "clang-tidy" "$dir/clang-tidy.log" owner make -C "$dir" analyze-tidy
        one "cppcheck" "$dir/cppcheck.log" owner make -C "$dir" analyze-cppcheck
        one "no file is left that git does not ignore" "$dir/git.log" run_git_clean "$before"
        give_back "$dir"
        for line in ${failures[@]+"${failures[@]}"}; do say "FAILED: $line"; done
        say "$passed passed, $failed failed, $skipped skipped"
        [ "$failed" -eq 0 ]
}
