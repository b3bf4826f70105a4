# shellcheck shell=bash disable=SC2154,SC2034 # what bootstrap and the other parts set, or use
# SPDX-License-Identifier: LGPL-2.1-or-later
# All tests of a bed, counted. Sourced by bootstrap.

passed=0 failed=0 skipped=0 unexpected=0
failures=()

# count DIR LOG: the results of one make, as the TAP driver prints them. XFAIL is not used, XPASS is a failure.
count() {
        local result rest name reason
        while IFS= read -r rest; do
                result=${rest%%:*} rest=${rest#*: }
                name=${rest%% *}
                case $result in
                PASS) passed=$((passed + 1)) ;;
                SKIP)
                        skipped=$((skipped + 1))
                        reason=${rest#*# SKIP }
                        may_skip "$name: ${reason#"$name - "}" || {
                                unexpected=$((unexpected + 1))
                                failures+=("skipped: $rest")
                        }
                        ;;
                *)
                        # A test's status only repeats what its cases have said.
                        [[ $rest == *" - exited with status"* ]] && grep -q "^FAIL: $name " "$2" && continue
                        failed=$((failed + 1))
                        failures+=("${1##*/}: $rest (log: $1/${name%.sh}.log)")
                        ;;
                esac
        done < <(grep -E '^(PASS|FAIL|SKIP|XFAIL|XPASS|ERROR): ' "$2")
}

# tests/may-skip: patterns of "test: reason".
may_skip() {
        local pattern
        while IFS= read -r pattern; do
                # shellcheck disable=SC2053 # a pattern
                case $pattern in '' | '#'*) ;; *) [[ $1 == $pattern ]] && return 0 ;; esac
        done <"$src/tests/may-skip"
        return 1
}

# one WORDS LOG CMD…: a step that is a case of its own.
one() {
        if step "$@"; then
                passed=$((passed + 1))
        else
                failed=$((failed + 1))
                failures+=("$1 (log: $2)")
        fi
}

# tests WORDS DIR LOG CMD…: a make that runs tests. Its own status counts when no case tells of the failure.
tests() {
        local words=$1 dir=$2 log=$3 before=$failed ran=$((passed + failed + skipped)) tail_lines=0
        shift 3
        if step "$words" "$log" "$@"; then
                count "$dir" "$log"
                [ $((passed + failed + skipped)) -gt "$ran" ] && return
                failures+=("$words: no test was run (log: $log)")
        else
                count "$dir" "$log"
                [ "$failed" -gt "$before" ] && { show_failures "$dir" "$log"; return; }
                failures+=("$words (log: $log)")
                excerpt "$log" 30
        fi
        failed=$((failed + 1))
}

# The failing cases of one make, each test's with what it printed.
show_failures() {
        local name log
        grep -E '^(FAIL|XPASS|ERROR): ' "$2" | sed 's/^/    /'
        while read -r name; do
                log=$1/${name%.sh}.log
                [ -e "$log" ] || continue
                say "    ---- $log"
                excerpt "$log" 40
        done < <(grep -E '^(FAIL|XPASS|ERROR): ' "$2" | awk '{ print $2 }' | sort -u)
}

# What needs a processor and nobody's attention, while the tests of the system mostly wait: shellcheck, and the bed that
# comes later.
begin_asides() {
        [ ${#asides[@]} -eq 0 ] || return 0
        need_tmp
        (cd "$src" && shell_files) >"$tmp/scripts"
        aside shellcheck env -C "$src" xargs -a "$tmp/scripts" shellcheck -s bash
        [[ " ${known_beds[*]} " != *' booted '* ]] || aside booted bash "$src/tests/beds/booted.sh" make
}

check_in() { # DIR NAME CFLAGS
        local dir=$1
        if ! build_in "$dir" "$3"; then
                failed=$((failed + 1))
                failures+=("$2: the build (log: $dir/make.log)")
                return
        fi
        # Compiled as the owner, run as root: some cases can only be tried as root.
        if ! step "$2: make the tests" "$dir/make-tests.log" owner make -C "$dir" -j"$jobs" check TESTS=; then
                failed=$((failed + 1))
                failures+=("$2: the build of the tests (log: $dir/make-tests.log)")
        fi
        begin_asides
        tests "$2: make check" "$dir" "$dir/check.log" timeout -k 10 1500 make -C "$dir" -k -j"$jobs" check
        tests "$2: make check-system" "$dir" "$dir/check-system.log" timeout -k 10 1500 make -C "$dir" check-system
        give_back "$dir"
}

shell_files() {
        printf '%s\n' bootstrap .ci/run tests/system/lib.sh conf/debian/*.p{ostinst,rerm,ostrm}
        find scripts tests -name '*.sh' ! -path tests/system/lib.sh | sort
}
run_mandoc() { cd "$src" && mandoc -T lint -W warning man/*.[1-8]; }

# Files that git would show and did not before; a tree that is no git checkout has none.
git_state() { owner git -C "$src" status --porcelain 2>/dev/null; }
run_git_clean() { # BEFORE
        local now
        now=$(git_state)
        [ "$now" = "$1" ] || { diff <(echo "$1") <(echo "$now") | grep '^[<>]'; return 1; }
}

check_bare() {
        check_in "$src/build-check" "tests" "-g -O2 -Werror"
        check_in "$src/build-asan" "ASan, UBSan" \
                "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -Werror"
        if [ -e "$src/build-check/Makefile" ]; then
                tests "make distcheck" "$src/build-check" "$src/build-check/distcheck.log" \
                        timeout -k 10 1500 make -C "$src/build-check" -j"$jobs" distcheck
                rm -f "$src"/build-check/bpfdeleg-*.tar.*
        fi
        begin_asides
        one "shellcheck" "$src/build-check/shellcheck.log" awaited shellcheck
        one "mandoc -T lint" "$src/build-check/mandoc.log" run_mandoc
}

# What one wants to see besides: how many faults, how long, and the storm.
check_faults() {
        local dir=$src/build-check begin=$SECONDS
        if ! build_in "$dir" "-g -O2 -Werror" || ! step "faults: make the fault build" "$dir/make-faults.log" owner \
                make -C "$dir" -j"$jobs" fault-build; then
                failed=$((failed + 1))
                failures+=("faults: the build (log: $dir/make-faults.log)")
                return
        fi
        tests "faults: make check-faults" "$dir" "$dir/check-faults.log" timeout -k 10 2400 make -C "$dir" check-faults
        sed -n 's/^# \(\(seed\|open:\|faults tried:\|a start\|[0-9]\+ fault points,\|[0-9]\+ sessions\) .*\)/    \1/p' \
                "$dir"/tests/faults/{faults,takeover}.log "$dir/tests/system/storm.log"
        say "    all of it took $((SECONDS - begin)) s"
        give_back "$dir"
}

# The runner of the bed prints what make would. Its log of a test is where a failed case says it is.
check_booted() {
        owner mkdir -p "$src/build-beds"
        # What has failed in it fails once more below, and is told there.
        [ -z "${asides[booted]:-}" ] || awaited booted >/dev/null
        tests "booted: a Debian with systemd" "$src/build-beds" "$src/build-beds/booted.log" \
                timeout -k 60 2400 bash "$src/tests/beds/booted.sh"
        give_back "$src/build-beds"
}

check_fresh() {
        owner mkdir -p "$src/build-beds"
        tests "fresh: the smallest Debians" "$src/build-beds" "$src/build-beds/fresh.log" bash \
                "$src/tests/beds/fresh.sh"
        give_back "$src/build-beds"
}

check_host() {
        owner mkdir -p "$src/build-beds"
        tests "host: a Debian with its own kernel, in QEMU" "$src/build-beds" "$src/build-beds/host.log" \
                timeout -k 60 7200 bash "$src/tests/beds/host.sh"
        give_back "$src/build-beds"
}

# Its table of attacks is what one wants to see, whatever the number of cases.
check_vm() {
        owner mkdir -p "$src/build-beds"
        tests "vm: Debian's kernels, in QEMU" "$src/build-beds" "$src/build-beds/vm.log" \
                timeout -k 60 21600 bash "$src/tests/beds/vm.sh"
        sed -n 's/^vectors: //p' "$src/build-beds/vm.log"
        give_back "$src/build-beds"
}

# Without a name, those that are not emulated.
known_beds=(bare booted faults fresh host vm)

do_check() { # [BED]
        local before line bed
        if [ $# -gt 0 ]; then
                [[ " ${known_beds[*]} " == *" $1 "* ]] \
                        || die "check: there is no test bed \`$1' (there are: ${known_beds[*]})"
                known_beds=("$1")
        else
                known_beds=(bare booted)
        fi
        before=$(git_state)
        need_tmp
        owner mkdir -p "$src/build-check"
        for bed in "${known_beds[@]}"; do "check_$bed"; done
        one "no file is left that git does not ignore" "$src/build-check/git.log" run_git_clean "$before"
        give_back "$src/build-check"

        for line in ${failures[@]+"${failures[@]}"}; do
                case $line in
                "skipped: "*) say "not in tests/may-skip: ${line#skipped: }" ;;
                *) say "FAILED: $line" ;;
                esac
        done
        say "$passed passed, $failed failed, $skipped skipped"
        [ "$failed" -eq 0 ] || return 1
        [ "${BD_MUST_WORK:-}" != 1 ] || [ "$unexpected" -eq 0 ]
}
