# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of Makefile.am: all that `make check` and the beds build and run.

AM_TESTS_ENVIRONMENT = \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir;
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = bash
LOG_COMPILER = bash $(top_srcdir)/tests/tap.sh
TEST_EXTENSIONS = .sh

UNIT_TESTS = \
	tests/unit/test-util tests/unit/test-proto tests/unit/test-sock tests/unit/test-client tests/unit/test-sysapi \
	tests/unit/test-sha256 tests/unit/test-ini tests/unit/test-policy tests/unit/test-mask tests/unit/test-state \
	tests/unit/test-doctor tests/unit/test-guard tests/unit/test-guard-lists tests/unit/test-guard-words \
	tests/unit/test-proxy-attr
PAM_TESTS = tests/pam/tst-retval tests/pam/tst-limits tests/pam/tst-exports.sh
TREE_TESTS = \
	tests/tree/installed.sh tests/tree/style.sh tests/tree/units.sh tests/tree/shipped.sh tests/tree/programs.sh \
	tests/tree/bootstrap.sh tests/tree/commands.sh tests/tree/claims.sh tests/tree/places.sh tests/tree/layers.sh
# Need root, a kernel with BPF tokens, and the machine for themselves, one after the other: `make check-system`.
SYSTEM_TESTS = \
	tests/system/session.sh tests/system/users.sh tests/system/run.sh tests/system/refusals.sh \
	tests/system/policy.sh tests/system/failures.sh tests/system/restart.sh tests/system/scope.sh \
	tests/system/malformed.sh \
	tests/system/doctor.sh tests/system/proxy.sh tests/system/callers.sh tests/system/storm.sh \
	tests/system/shortages.sh \
	tests/system/restarts.sh tests/system/stuck.sh tests/system/user-attacks.sh tests/system/subgroups.sh \
	tests/system/beside.sh

# `make check-faults`; those of FAULTS take a while.
FAULT_TESTS = tests/faults/faults.sh tests/faults/takeover.sh

EXTRA_DIST += \
	tests/pam/tst-exports.sh $(TREE_TESTS) $(SYSTEM_TESTS) $(FAULT_TESTS) tests/faults/least \
	tests/faults/points.c tests/faults/points.h tests/system/lib.sh tests/system/demo.sh tests/bench/lib.sh \
	tests/bench/proxy.sh tests/bench/crowd.sh tests/bench/abuse.sh tests/bench/uids.sh tests/may-skip tests/tap.sh

if TESTS_ENABLED
TESTS = $(UNIT_TESTS) $(PAM_TESTS) $(FUZZ_TESTS) $(TREE_TESTS)
check_PROGRAMS = $(UNIT_TESTS) $(FUZZ_TESTS) tests/pam/tst-retval tests/pam/tst-limits $(TOOLS) tests/escape/escape \
	tests/escape/trusted \
	tests/escape/userns-maker tests/escape/forge tests/escape/bpfdelegd-unguarded

# The fuzz targets, with a main of ours that replays the kept corpora. It is in a library, so that `make
# LDFLAGS=-fsanitize=fuzzer` (./bootstrap fuzz) has libFuzzer's in its place. What is wrapped is wrapped by name, so no
# fortified variants of it.
FUZZ_TESTS = tests/fuzz/fuzz-proto tests/fuzz/fuzz-policy tests/fuzz/fuzz-state tests/fuzz/fuzz-attr
if WORLD_ENABLED
FUZZ_TESTS += tests/fuzz/fuzz-helper
endif
check_LTLIBRARIES = tests/fuzz/libreplay.la
tests_fuzz_libreplay_la_SOURCES = tests/fuzz/replay.c
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) $(LIBBPF_CFLAGS) $(SYSTEMD_CFLAGS) -I$(top_srcdir)/helper -I$(top_srcdir)/cli
FUZZ_CFLAGS = $(AM_CFLAGS) -U_FORTIFY_SOURCE
EXTRA_PROGRAMS = tests/fuzz/seeds
tests_fuzz_seeds_SOURCES = tests/fuzz/seeds.c tests/fuzz/files.c tests/fuzz/fuzz.h tests/fuzz/fuzz-helper.h
tests_fuzz_seeds_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_seeds_LDADD = lib/libcore.la
tests_fuzz_fuzz_proto_SOURCES = tests/fuzz/fuzz-proto.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_proto_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_proto_LDADD = lib/libcore.la tests/fuzz/libreplay.la
tests_fuzz_fuzz_policy_SOURCES = tests/fuzz/fuzz-policy.c tests/fuzz/files.c tests/fuzz/fuzz.h helper/settings.c
tests_fuzz_fuzz_policy_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_policy_LDADD = lib/libsys.la tests/fuzz/libreplay.la
tests_fuzz_fuzz_state_SOURCES = \
	tests/fuzz/fuzz-state.c tests/fuzz/files.c tests/fuzz/stderr.c tests/fuzz/fuzz.h helper/state.c helper/log.c
tests_fuzz_fuzz_state_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_state_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_state_LDFLAGS = -Wl,--wrap=write
tests_fuzz_fuzz_state_LDADD = lib/libsys.la $(SYSTEMD_LIBS) tests/fuzz/libreplay.la
tests_fuzz_fuzz_attr_SOURCES = tests/fuzz/fuzz-attr.c tests/fuzz/fuzz.h cli/proxy-attr.c
tests_fuzz_fuzz_attr_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_attr_LDADD = tests/fuzz/libreplay.la

# The helper but for its main, in a world of the fuzzer's: world.c has these system calls, loop.c sd-event,
# fuzz-helper.c systemd and guard.
WORLD_CALLS = \
	accept4 bind clock_gettime close closedir fchmod fchown fchownat fclose fcntl fstat fstatat fstatfs geteuid \
	getrandom \
	getsockopt ioctl listen malloc mkdir mkdirat open openat opendir poll pread recvmsg renameat rmdir sendmsg \
	socketpair stat syscall unlink unlinkat usleep waitid write child_spawn sd_booted \
	sd_event_new sd_event_unref sd_event_add_io sd_event_add_time_relative sd_event_source_set_priority \
	sd_event_source_set_ratelimit sd_event_source_set_time_relative sd_event_source_set_enabled \
	sd_event_source_get_enabled \
	sd_event_source_set_io_fd_own sd_event_source_set_floating sd_event_source_unref sd_event_source_disable_unref
tests_fuzz_fuzz_helper_SOURCES = \
	tests/fuzz/fuzz-helper.c tests/fuzz/fuzz-helper.h tests/fuzz/world.c tests/fuzz/world.h tests/fuzz/loop.c \
	tests/fuzz/files.c \
	tests/fuzz/fuzz.h helper/settings.c helper/log.c helper/server.c helper/request.c helper/delegation.c \
	helper/maker.c \
	helper/child.c helper/task.c helper/enter.c helper/subgroup.c helper/peer.c helper/cgroup.c helper/cgroups.c \
	helper/setup.c helper/session.c helper/login.c \
	helper/manager.c helper/recover.c helper/state.c helper/sweep.c \
	helper/guard/guard-lists.c helper/guard/guard-words.c
tests_fuzz_fuzz_helper_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_helper_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_helper_LDFLAGS = $(WORLD_CALLS:%=-Wl,--wrap=%)
tests_fuzz_fuzz_helper_LDADD = lib/libsys.la $(SYSTEMD_LIBS) tests/fuzz/libreplay.la

UNIT_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(LIBBPF_CFLAGS) -I$(top_srcdir)/tests/unit
UNIT_LDADD = lib/libsys.la $(CMOCKA_LIBS)
tests_unit_test_ini_SOURCES = tests/unit/test-ini.c tests/unit/files.h
tests_unit_test_policy_SOURCES = tests/unit/test-policy.c tests/unit/files.h
tests_unit_test_util_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_util_LDADD = $(UNIT_LDADD)
tests_unit_test_proto_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_proto_LDADD = $(UNIT_LDADD)
tests_unit_test_sock_SOURCES = tests/unit/test-sock.c tests/unit/child.h
tests_unit_test_sock_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sock_LDADD = $(UNIT_LDADD)
tests_unit_test_client_SOURCES = tests/unit/test-client.c tests/unit/child.h
tests_unit_test_client_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_client_LDADD = $(UNIT_LDADD)
tests_unit_test_sysapi_SOURCES = tests/unit/test-sysapi.c tests/unit/child.h
tests_unit_test_sysapi_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sysapi_LDADD = $(UNIT_LDADD)
tests_unit_test_sha256_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sha256_LDADD = $(UNIT_LDADD)
tests_unit_test_ini_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_ini_LDADD = $(UNIT_LDADD)
tests_unit_test_policy_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_policy_LDADD = $(UNIT_LDADD)
tests_unit_test_mask_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_mask_LDADD = $(UNIT_LDADD)

tests_unit_test_guard_words_SOURCES = tests/unit/test-guard-words.c helper/guard/guard-words.c \
	helper/guard/guard-lists.c
tests_unit_test_guard_words_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/helper
tests_unit_test_guard_words_LDADD = $(UNIT_LDADD) $(LIBBPF_LIBS)
tests_unit_test_state_SOURCES = tests/unit/test-state.c tests/unit/files.h helper/state.c helper/log.c
tests_unit_test_state_CPPFLAGS = $(UNIT_CPPFLAGS) $(SYSTEMD_CFLAGS) -I$(top_srcdir)/helper
tests_unit_test_state_LDADD = $(UNIT_LDADD) $(SYSTEMD_LIBS)

tests_unit_test_doctor_SOURCES = tests/unit/test-doctor.c tests/unit/files.h cli/cmd.h $(DOCTOR_SOURCES)
tests_unit_test_doctor_CPPFLAGS = $(UNIT_CPPFLAGS) $(DOCTOR_CPPFLAGS) -I$(top_srcdir)/cli
tests_unit_test_doctor_LDADD = $(UNIT_LDADD)

tests_unit_test_guard_SOURCES = tests/unit/test-guard.c helper/guard/guard.bpf.h
tests_unit_test_guard_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/helper
tests_unit_test_guard_LDADD = $(UNIT_LDADD)
tests_unit_test_guard_lists_SOURCES = tests/unit/test-guard-lists.c \
	helper/guard/guard-lists.c helper/guard/guard-lists.h
tests_unit_test_guard_lists_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/helper
tests_unit_test_guard_lists_LDADD = $(UNIT_LDADD)

tests_unit_test_proxy_attr_SOURCES = tests/unit/test-proxy-attr.c cli/proxy-attr.c cli/proxy-attr.h
tests_unit_test_proxy_attr_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/cli
tests_unit_test_proxy_attr_LDADD = $(UNIT_LDADD)

tests_pam_tst_retval_SOURCES = tests/pam/tst-retval.c tests/syslog-hook.h tests/pam/fake-helper.c \
	tests/pam/fake-helper.h
tests_pam_tst_retval_CPPFLAGS = $(UNIT_CPPFLAGS) $(PAM_CFLAGS)
tests_pam_tst_retval_LDADD = lib/libcore.la $(CMOCKA_LIBS) $(PAM_LIBS)
tests_pam_tst_limits_SOURCES = tests/pam/tst-limits.c tests/pam/fake-helper.c tests/pam/fake-helper.h
tests_pam_tst_limits_CPPFLAGS = $(UNIT_CPPFLAGS) $(PAM_CFLAGS)
tests_pam_tst_limits_LDADD = lib/libcore.la $(CMOCKA_LIBS) $(PAM_LIBS)

# Programs that the system tests, the demo and the bench use.
TOOLS = \
	tests/tools/pam-session tests/tools/packets tests/tools/malformed tests/tools/enter-as tests/bench/bench \
	tests/bench/calls tests/bench/proxy \
	tests/tools/answer tests/tools/json-doctor tests/tools/fake-systemd tests/tools/on-pty tests/tools/attached \
	tests/tools/load \
	tests/tools/attach-cases tests/tools/attach-random tests/tools/proxy-user tests/tools/threads \
	tests/tools/pam-caller tests/tools/storm \
	tests/tools/crowd tests/tools/fake-journal tests/tools/stuck tests/tools/abuse tests/tools/harass \
	tests/tools/subgroup
tests_tools_pam_session_SOURCES = tests/tools/pam-session.c tests/syslog-hook.h
tests_tools_pam_session_CPPFLAGS = $(AM_CPPFLAGS) $(PAM_CFLAGS)
tests_tools_pam_session_LDADD = $(PAM_LIBS)
tests_tools_pam_caller_SOURCES = tests/tools/pam-caller.c tests/syslog-hook.h
tests_tools_pam_caller_CPPFLAGS = $(AM_CPPFLAGS) $(PAM_CFLAGS)
tests_tools_pam_caller_LDADD = lib/libcore.la $(PAM_LIBS)
tests_tools_storm_SOURCES = tests/tools/storm.c tests/syslog-hook.h
tests_tools_storm_CPPFLAGS = $(AM_CPPFLAGS) $(PAM_CFLAGS)
tests_tools_storm_LDADD = lib/libcore.la $(PAM_LIBS)
tests_tools_crowd_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_crowd_LDADD = lib/libcore.la
tests_tools_fake_journal_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_stuck_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_abuse_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_abuse_LDADD = lib/libcore.la
tests_tools_harass_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_harass_LDADD = lib/libsys.la
tests_tools_packets_CPPFLAGS = $(AM_CPPFLAGS) $(LIBBPF_CFLAGS)
tests_tools_packets_LDADD = $(LIBBPF_LIBS)
tests_tools_malformed_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_malformed_LDADD = lib/libcore.la
tests_tools_subgroup_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_subgroup_LDADD = lib/libcore.la
tests_tools_enter_as_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_enter_as_LDADD = lib/libcore.la
tests_tools_answer_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_answer_LDADD = lib/libcore.la
tests_tools_json_doctor_CPPFLAGS = $(AM_CPPFLAGS) $(JSON_C_CFLAGS)
tests_tools_json_doctor_LDADD = $(JSON_C_LIBS)
tests_tools_fake_systemd_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)
tests_tools_fake_systemd_LDADD = lib/libsys.la $(SYSTEMD_LIBS)
tests_tools_on_pty_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_attached_CPPFLAGS = $(AM_CPPFLAGS) $(LIBBPF_CFLAGS)
tests_tools_attached_LDADD = $(LIBBPF_LIBS)
tests_tools_attach_cases_SOURCES = tests/tools/attach-cases.c tests/tools/attacher.c tests/tools/attacher.h
tests_tools_attach_cases_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_attach_cases_LDADD = lib/libsys.la
tests_tools_threads_CPPFLAGS = $(AM_CPPFLAGS) $(LIBBPF_CFLAGS)
tests_tools_threads_LDADD = $(LIBBPF_LIBS)
tests_tools_attach_random_SOURCES = tests/tools/attach-random.c tests/tools/attacher.c tests/tools/attacher.h
tests_tools_attach_random_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_proxy_user_SOURCES = tests/tools/proxy-user.c tests/tools/attacher.c tests/tools/attacher.h
tests_tools_proxy_user_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_proxy_user_LDADD = lib/libsys.la
tests_tools_load_CPPFLAGS = $(AM_CPPFLAGS) $(LIBBPF_CFLAGS)
tests_tools_load_LDADD = $(LIBBPF_LIBS)
tests_bench_proxy_SOURCES = tests/bench/proxy.c tests/tools/attacher.c tests/tools/attacher.h
tests_bench_proxy_CPPFLAGS = $(AM_CPPFLAGS)
tests_bench_bench_CPPFLAGS = $(AM_CPPFLAGS) $(PAM_CFLAGS)
tests_bench_bench_LDADD = lib/libcore.la $(PAM_LIBS)
tests_bench_calls_CPPFLAGS = $(AM_CPPFLAGS) $(LIBBPF_CFLAGS)
tests_bench_calls_LDADD = $(LIBBPF_LIBS)

# The attacks: for the bed of virtual machines, where BPF LSM programs are allowed.
tests_escape_escape_SOURCES = \
	tests/escape/escape.h tests/escape/escape.c tests/escape/calls.c tests/escape/targets.c tests/escape/memory.c \
	tests/escape/outside.c tests/escape/races.c tests/escape/ring.h tests/escape/ring.c tests/escape/uring.c \
	tests/escape/receivers.c tests/escape/nested.c tests/escape/kept.c tests/escape/end.c tests/escape/late.c \
	tests/escape/runners.c tests/escape/netlink.c tests/escape/name.c tests/escape/time.c tests/escape/btf.c \
	tests/escape/maps.c \
	tests/escape/privilege.c tests/escape/itself.c \
	tests/escape/blind.c tests/escape/outsiders.c tests/escape/own.c tests/escape/detach.c tests/escape/limit.c
tests_escape_escape_CPPFLAGS = $(AM_CPPFLAGS) $(LIBBPF_CFLAGS)
tests_escape_escape_LDADD = lib/libsys.la $(LIBBPF_LIBS)
tests_escape_trusted_CPPFLAGS = $(AM_CPPFLAGS)
tests_escape_userns_maker_SOURCES = tests/escape/userns-maker.c
tests_escape_forge_SOURCES = tests/escape/forge.c tests/escape/escape.h tests/escape/calls.c
tests_escape_forge_CPPFLAGS = $(AM_CPPFLAGS) $(LIBBPF_CFLAGS)
tests_escape_forge_LDADD = lib/libsys.la $(LIBBPF_LIBS)

# A helper without a guard: what a vector does there, it must not do with one. `confine = off` would not show it: where
# there is a guard, that still judges what programs contain.
tests_escape_bpfdelegd_unguarded_SOURCES = helper/guard/guard-none.c
tests_escape_bpfdelegd_unguarded_CPPFLAGS = $(helper_libhelper_la_CPPFLAGS)
tests_escape_bpfdelegd_unguarded_LDADD = helper/libhelper.la

# The fault build (HACKING.md, "Faults"): the helper's sources once more, with a fault point at each system call.
# Without the guard, which takes longer to start than all else. What does no system call of its own, and the wrappers,
# are those of lib.
FAULTS = tests/faults/bpfdelegd-faults tests/faults/faults
EXTRA_PROGRAMS += $(FAULTS)
CLEANFILES += $(FAULTS)
tests_faults_bpfdelegd_faults_SOURCES = $(helper_libhelper_la_SOURCES) helper/guard/guard-none.c \
	lib/ini.c lib/policy.c \
	lib/sock.c lib/mounts.c lib/file.c
tests_faults_bpfdelegd_faults_CPPFLAGS = $(helper_libhelper_la_CPPFLAGS) -I$(top_srcdir)/tests/faults -include \
	$(top_srcdir)/tests/faults/points.h
# A call within the arguments of another is a point within a point.
tests_faults_bpfdelegd_faults_CFLAGS = $(AM_CFLAGS) -Wno-shadow
tests_faults_bpfdelegd_faults_LDADD = tests/faults/points.o lib/libsys.la $(SYSTEMD_LIBS)
EXTRA_tests_faults_bpfdelegd_faults_DEPENDENCIES = tests/faults/points.h tests/faults/points.o
tests/faults/points.o: tests/faults/points.c tests/faults/shared.h
	@$(MKDIR_P) $(@D)
	$(AM_V_CC)$(COMPILE) -c '$(srcdir)/tests/faults/points.c' -o $@
CLEANFILES += tests/faults/points.o
tests_faults_faults_SOURCES = tests/faults/faults.c tests/faults/shared.h
tests_faults_faults_CPPFLAGS = $(AM_CPPFLAGS) $(PAM_CFLAGS)
tests_faults_faults_LDADD = $(PAM_LIBS)

# A PAM module that only `./bootstrap bench booted` uses; -rpath is what makes libtool build a module that is not
# installed.
check_LTLIBRARIES += tests/tools/pam_scope.la tests/tools/old_kernel.la
tests_tools_pam_scope_la_SOURCES = tests/tools/pam_scope.c
tests_tools_pam_scope_la_CPPFLAGS = $(AM_CPPFLAGS) $(PAM_CFLAGS) $(SYSTEMD_CFLAGS)
tests_tools_pam_scope_la_LIBADD = $(PAM_LIBS) $(SYSTEMD_LIBS)
tests_tools_pam_scope_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
# What a system test preloads.
tests_tools_old_kernel_la_SOURCES = tests/tools/old_kernel.c
tests_tools_old_kernel_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

# Ordinary programs, of tests/programs/table: as one would write them, and how to write instead what is refused so.
ORDINARY = \
	tests/programs/atomics.bpf.o tests/programs/bounded-loop.bpf.o tests/programs/bpf-loop.bpf.o \
	tests/programs/connect-redirect.bpf.o tests/programs/device.bpf.o tests/programs/dynptr-packet.bpf.o \
	tests/programs/dynptr-ringbuf.bpf.o tests/programs/globals.bpf.o tests/programs/histogram.bpf.o \
	tests/programs/iterator.bpf.o tests/programs/linked-list.bpf.o tests/programs/lpm-trie.bpf.o \
	tests/programs/lru-flows.bpf.o tests/programs/map-elements.bpf.o tests/programs/maps-in-maps.bpf.o \
	tests/programs/packet-fixed.bpf.o tests/programs/per-cpu.bpf.o tests/programs/perf-buffer.bpf.o \
	tests/programs/printk.bpf.o tests/programs/process-name.bpf.o tests/programs/reuseport.bpf.o \
	tests/programs/ring-buffer.bpf.o tests/programs/sk-lookup.bpf.o tests/programs/sk-msg.bpf.o \
	tests/programs/skb-parser.bpf.o tests/programs/sock-ops.bpf.o tests/programs/socket-lookup.bpf.o \
	tests/programs/socket-storage.bpf.o tests/programs/sockmap-proxy.bpf.o tests/programs/sockopt.bpf.o \
	tests/programs/spin-lock.bpf.o tests/programs/stack-buffer.bpf.o tests/programs/subprograms.bpf.o \
	tests/programs/sysctl.bpf.o tests/programs/tail-calls.bpf.o tests/programs/tc-parser.bpf.o \
	tests/programs/timer.bpf.o tests/programs/xdp-parser.bpf.o
ORDINARY_INSTEAD = \
	tests/programs/bounded-loop-instead.bpf.o tests/programs/bpf-loop-instead.bpf.o \
	tests/programs/dynptr-packet-instead.bpf.o tests/programs/map-elements-instead.bpf.o \
	tests/programs/histogram-instead.bpf.o tests/programs/iterator-instead.bpf.o \
	tests/programs/linked-list-instead.bpf.o tests/programs/lru-flows-instead.bpf.o \
	tests/programs/printk-instead.bpf.o tests/programs/process-name-instead.bpf.o \
	tests/programs/socket-lookup-instead.bpf.o tests/programs/sockmap-proxy-instead.bpf.o \
	tests/programs/sockopt-instead.bpf.o tests/programs/stack-buffer-instead.bpf.o \
	tests/programs/tc-parser-instead.bpf.o tests/programs/timer-instead.bpf.o \
	tests/programs/xdp-parser-instead.bpf.o

# BPF objects of the tests: plain C for clang, no BTF of this machine needed.
BPF_OBJECTS = tests/tools/packets.bpf.o tests/tools/other.bpf.o $(ORDINARY) $(ORDINARY_INSTEAD)
check_DATA = $(BPF_OBJECTS) helper/guard/guard.bpf.o
CLEANFILES += $(BPF_OBJECTS)
SUFFIXES = .bpf.c .bpf.o
.bpf.c.bpf.o:
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)$(CLANG) $(BPF_FLAGS) -c $< -o $@
tests/programs/%-instead.bpf.o: tests/programs/%.bpf.c
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)$(CLANG) $(BPF_FLAGS) -DINSTEAD -c $< -o $@

check-system: all-am $(check_PROGRAMS) $(check_DATA)
	$(MAKE) $(AM_MAKEFLAGS) -j1 check-TESTS TESTS='$(SYSTEM_TESTS)'
# `./bootstrap check faults`; one after the other, as above.
fault-build: all-am $(check_PROGRAMS) $(check_DATA) $(FAULTS)
check-faults: fault-build
	BD_STORM_SECONDS=60 $(MAKE) $(AM_MAKEFLAGS) -j1 check-TESTS TESTS='$(FAULT_TESTS) tests/system/storm.sh'
# C as .clang-format says, which is for version 14. tests/tree/style.sh checks it.
format:
	cd $(top_srcdir) && find lib pam helper cli tests ! -name '*.skel.h' -name '*.[ch]' -exec clang-format -i {} +

.PHONY: check-system fault-build check-faults format
endif
EXTRA_DIST += tests/tools/packets.bpf.c tests/tools/other.bpf.c tests/fuzz/corpus
# A directory is taken from where the sources are and from where it is built.
dist-hook:
	rm -f '$(distdir)'/tests/programs/*.bpf.o
# The other beds: how they are made, and the tests that run inside.
EXTRA_DIST += tests/commands tests/beds tests/booted tests/host tests/vm tests/programs tests/system/programs.sh \
	tests/escape/lib.sh \
	tests/escape/targets.sh tests/escape/memory.sh tests/escape/outside.sh tests/escape/races.sh \
	tests/escape/races-attach.sh tests/escape/races-around.sh tests/escape/races-ring.sh tests/escape/uring.sh \
	tests/escape/receivers.sh tests/escape/nested.sh tests/escape/end.sh tests/escape/late.sh \
	tests/escape/runners.sh tests/escape/kept-net.sh \
	tests/escape/name.sh tests/escape/time.sh tests/escape/maps.sh tests/escape/memory-limit.sh \
	tests/escape/privilege.sh tests/escape/itself.sh tests/escape/many.sh tests/escape/leaks.sh \
	tests/escape/blind.sh tests/escape/outsiders.sh tests/escape/detach.sh tests/escape/forged.sh
