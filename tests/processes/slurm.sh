#!/usr/bin/env bash
# A Slurm of one node on the loopback address, without systemd, for tests: as root, with Debian's slurm-wlm and munge.
#
#   bash tests/processes/slurm.sh up FOLDER PORT      starts munged, slurmctld and slurmd, which keep all files in FOLDER
#   export SLURM_CONF=FOLDER/slurm.conf               makes sbatch, squeue and scancel speak to it
#   bash tests/processes/slurm.sh down FOLDER         ends the three
#
# slurmctld listens at PORT and slurmd at the port after it.
set -euo pipefail
folder=$(realpath -m "$2")

up() {
  mkdir -p "$folder"/{munge,spool,state}
  chmod 700 "$folder/munge"
  head -c 1024 /dev/urandom > "$folder/munge/key"
  chmod 400 "$folder/munge/key"
  munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge.pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
  cat > "$folder/slurm.conf" << END
ClusterName=probe
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$1
SlurmdPort=$(($1 + 1))
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
ReturnToService=2
MpiDefault=none
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=probe Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
END
  slurmctld -f "$folder/slurm.conf"
  slurmd -f "$folder/slurm.conf"
  for _ in $(seq 60); do
    if SLURM_CONF="$folder/slurm.conf" sinfo --noheader --format %T 2> /dev/null | grep -q idle; then return; fi
    sleep 0.5
  done
  echo "the node is not idle after 30 s; see $folder/slurmctld.log" >&2
  return 1
}

down() {
  for name in slurmd slurmctld munge; do
    if test -s "$folder/$name.pid"; then kill "$(cat "$folder/$name.pid")" || true; fi
  done
}

case $1 in
  up) up "$3" ;;
  down) down ;;
esac
