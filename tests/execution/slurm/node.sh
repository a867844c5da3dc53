#!/bin/bash
# node.sh NAME: Slurm's daemon of a node. This shell stays above it, and reaps what jobs leave.
hostname "$1"
# The daemon wants to see control groups, and uses none: a hierarchy of their own, in this mount namespace alone.
mount -t tmpfs none /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=slurm none /sys/fs/cgroup/systemd
# Ray's sockets have the same names on every node.
mkdir -p /tmp/ray
mount -t tmpfs none /tmp/ray
slurmd -D -N "$1"
