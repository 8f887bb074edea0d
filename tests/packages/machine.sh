#!/usr/bin/env bash
# A throw-away machine with systemd as its process 1: how do a package's units behave where they will be used?
#
#   machine.sh start DIR [ROOT]     ROOT is the file system below, of which nothing is changed; / unless said otherwise
#   machine.sh run DIR COMMAND...   in the machine, as root
#   machine.sh stop DIR             nothing is left of it but DIR
#
# What is written goes to memory; DIR is seen in it as /media. It has its own processes, network (loopback only), mounts and
# cgroup. It needs root, and a kernel with namespaces, overlayfs and cgroup2.
set -euo pipefail

# The first program of the machine: in its namespaces, before systemd.
inside() {
  local dir=$1 below=$2
  mount --make-rprivate /
  mkdir -p "$dir/disk"
  mount -t tmpfs -o size=2g tmpfs "$dir/disk"
  mkdir "$dir/disk/upper" "$dir/disk/work" "$dir/disk/root"
  local root=$dir/disk/root
  mount -t overlay -o "lowerdir=$below,upperdir=$dir/disk/upper,workdir=$dir/disk/work" overlay "$root"

  mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
  # The kernel's settings are those of the machine below, which is not ours.
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,ro,bind "$root/proc/sys"
  # With one letter written to it, the machine below would restart. Not every kernel has it.
  [ ! -e "$root/proc/sysrq-trigger" ] || mount --bind /dev/null "$root/proc/sysrq-trigger"
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
  local device
  for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
  mkdir -p "$root/media"
  mount --bind "$dir" "$root/media"

  # Nothing of what the system below starts by itself or asks of the kernel, and no policy of an image against starting.
  rm -rf "$root"/etc/systemd/system/*.wants "$root/usr/sbin/policy-rc.d"
  local unit
  for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer man-db.timer \
    logrotate.timer systemd-udevd.service systemd-udev-trigger.service systemd-networkd.service systemd-resolved.service \
    systemd-modules-load.service modprobe@.service kmod-static-nodes.service sys-kernel-config.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  echo machine >"$root/etc/hostname"
  [ -s "$root/etc/machine-id" ] || echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"

  cd "$root"
  pivot_root . mnt
  exec chroot . sh -c '
    umount -l /mnt
    exec env -i container=portcullis-test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
      /lib/systemd/systemd --system --unit=basic.target --log-target=console --log-level=notice --show-status=0
  ' >/media/console.log 2>&1 </dev/null
}

start() {
  local dir below cgroup
  dir=$(realpath "$1") below=$(realpath "${2:-/}")
  # A cgroup of its own, of which the machine sees nothing above. A kernel with controllers of both kinds has cgroup2
  # elsewhere than usual.
  cgroup=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)/portcullis-machine-$$
  mkdir "$cgroup"
  echo "$cgroup" >"$dir/cgroup"
  (
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec setsid unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child "$0" inside "$dir" "$below" \
      >>"$dir/console.log" 2>&1 </dev/null
  ) &
  local parent=$!
  echo "$parent" >"$dir/parent"
  local tries
  for tries in $(seq 1 300); do
    if pid=$(pgrep -P "$parent") && [ -n "$pid" ]; then
      echo "$pid" >"$dir/pid"
      case $(run "$dir" systemctl is-system-running 2>/dev/null) in
        running | degraded) return 0 ;;
      esac
    fi
    kill -0 "$parent" 2>/dev/null || break
    sleep 0.1
  done
  echo "the machine did not start after $tries tries:" >&2
  tail -n 40 "$dir/console.log" >&2
  stop "$dir"
  return 1
}

run() {
  local dir=$1
  shift
  nsenter --target "$(cat "$dir/pid")" --all env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
    DEBIAN_FRONTEND=noninteractive "$@"
}

stop() {
  local dir=$1 parent tries
  # Process 1 of a namespace takes all others with it. A number may be somebody else's by now: ours is in our cgroup.
  if parent=$(cat "$dir/parent" 2>/dev/null) && grep -q portcullis-machine- "/proc/$parent/cgroup" 2>/dev/null; then
    kill -KILL "$parent" 2>/dev/null || true
  fi
  for tries in $(seq 1 100); do
    find "$(cat "$dir/cgroup")" -depth -type d -exec rmdir {} + 2>/dev/null && return 0
    sleep 0.1
  done
  echo "the cgroup of the machine is still in use after $tries tries" >&2
  return 1
}

"$@"
