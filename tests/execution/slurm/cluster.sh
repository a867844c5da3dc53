#!/bin/bash
# cluster.sh FOLDER NODES COMMAND...: Slurm on so many nodes of this machine, and COMMAND beside them.
#
# Each node has a network, a name and processes of its own, so that a program on one meets the others as it would other
# machines; all share the disk. To be run by root in namespaces of its own (unshare --net --mount --uts --pid): nothing of
# it is seen outside, and all of it ends with this script.
set -euo pipefail
here=$(realpath "$(dirname "$0")") from=$PWD
folder=$1 nodes=$2
shift 2
mkdir -p "$folder" && cd "$folder"

hostname control
ip link set lo up
ip link add bridge0 type bridge
ip address add 10.213.0.100/24 dev bridge0
ip link set bridge0 up
{
    echo "127.0.0.1 localhost"
    echo "10.213.0.100 control"
    for i in $(seq "$nodes"); do echo "10.213.0.$i n$i"; done
} > hosts
mount --bind hosts /etc/hosts
mkdir -p /run/netns
mount -t tmpfs none /run/netns

head -c 1024 /dev/urandom > munge.key
chmod 600 munge.key
chmod 755 .
munged --force --key-file="$PWD/munge.key" --socket="$PWD/munge" --pid-file="$PWD/munge.pid" \
    --log-file="$PWD/munge.log" --seed-file="$PWD/munge.seed"

cat > slurm.conf <<EOF
ClusterName=here
SlurmctldHost=control(10.213.0.100)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$PWD/munge
StateSaveLocation=$PWD/state
SlurmctldPidFile=$PWD/slurmctld.pid
SlurmctldLogFile=$PWD/slurmctld.log
SlurmdSpoolDir=$PWD/%n
SlurmdPidFile=$PWD/%n.pid
SlurmdLogFile=$PWD/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
NodeName=n[1-$nodes] CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
EOF
export SLURM_CONF=$PWD/slurm.conf
mkdir state
slurmctld -D &
for i in $(seq "$nodes"); do
    ip netns add "n$i"
    ip link add "v$i" type veth peer name eth0 netns "n$i"
    ip link set "v$i" master bridge0 up
    ip -n "n$i" link set lo up
    ip -n "n$i" address add "10.213.0.$i/24" dev eth0
    ip -n "n$i" link set eth0 up
    mkdir "n$i"
    ip netns exec "n$i" unshare --uts --pid --fork --kill-child --mount-proc "$here/node.sh" "n$i" &
done
for _ in $(seq 120); do
    sinfo --noheader --Node --format %T 2> /dev/null | grep -c idle | grep -qx "$nodes" && break
    sleep 0.5
done
cd "$from"
"$@"
