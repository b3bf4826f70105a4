/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "doctor.h"

const struct doctor_check doctor_checks[] = {
        {"tokens", doctor_tokens},
        {"cgroup2", doctor_cgroup2},
        {"btf", doctor_btf},
        {"bpf-lsm", doctor_bpf_lsm},
        {"lockdown", doctor_lockdown},
        {"namespaces", doctor_namespaces},
        {"unpriv-bpf", doctor_unprivileged},
        {"ptrace", doctor_ptrace},
        {"helper", doctor_helper},
        {"sockets", doctor_sockets},
        {"guard", doctor_guard},
        {"policy", doctor_policy},
        {"pam", doctor_pam},
        {NULL, NULL},
};
